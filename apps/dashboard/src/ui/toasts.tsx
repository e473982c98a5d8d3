import { Toast } from '@base-ui/react/toast'
import { messageOf } from '../client.tsx'
import { Button } from './button.tsx'

const manager = Toast.createToastManager()

export function say(title: string, description?: string): void {
  manager.add({ title, ...(description !== undefined && { description }) })
}

export function sayError(title: string, error: unknown): void {
  manager.add({ title, description: messageOf(error), type: 'error', priority: 'high', timeout: 12_000 })
}

/** Does it, and tells how that went; for what has no form to show an error in. */
export async function doing(what: string, done: string, work: () => Promise<unknown>): Promise<void> {
  try {
    await work()
    say(done)
  } catch (error) {
    sayError(`${what} failed`, error)
  }
}

export function Toasts() {
  return (
    <Toast.Provider toastManager={manager}>
      <Toast.Portal>
        <Toast.Viewport className="toasts" aria-label="Messages">
          <List />
        </Toast.Viewport>
      </Toast.Portal>
    </Toast.Provider>
  )
}

function List() {
  const { toasts } = Toast.useToastManager()
  return toasts.map((toast) => (
    <Toast.Root key={toast.id} toast={toast} className="toast">
      <Toast.Content className="toast-content">
        <div>
          <Toast.Title className="toast-title" />
          <Toast.Description className="toast-text" />
        </div>
        <Toast.Close render={<Button look="small quiet" />} aria-label="Close message">
          ✕
        </Toast.Close>
      </Toast.Content>
    </Toast.Root>
  ))
}
