import { BASE_IMAGE, type KnownImage } from './base-image.ts'

/**
 * The base image with a desktop, as clients of one start it: Xvfb, Xfce, xdotool, scrot, x11vnc and noVNC.
 * Built on request only: it is 1.6 GB.
 */
export const DESKTOP_PACKAGES: KnownImage = {
  ...BASE_IMAGE,
  name: 'desktop-packages',
  source: {
    ...BASE_IMAGE.source,
    packages: [
      ...BASE_IMAGE.source.packages,
      // A screen, what asks it for its size, and a session bus
      ...['xvfb', 'x11-utils', 'x11-xserver-utils', 'xauth', 'dbus-x11'],
      // xdg-open and gtk-launch are how clients open things
      ...['xfce4', 'xfce4-terminal', 'adwaita-icon-theme', 'xdg-utils', 'libgtk-3-bin'],
      ...['fonts-dejavu-core', 'fonts-liberation2'],
      // A hand and an eye; net-tools has the netstat that clients wait for the stream with
      ...['xdotool', 'scrot', 'x11vnc', 'novnc', 'websockify', 'net-tools'],
      ...['mousepad', 'chromium'],
    ],
  },
}
