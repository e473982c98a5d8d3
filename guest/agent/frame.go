package main

import (
	"encoding/binary"
	"hash/crc32"
)

// Frames of docs/guest-protocol.md. All integers are little-endian.
//
//	 0      2     3     4         8         12        16
//	| magic |type |flags| channel | length  | crc32   | payload …
//
// The checksum covers bytes 0 to 12 and the payload, so that a header completed by the zeros of a re-attach is
// never taken for a frame.
const (
	headerSize = 16
	maxPayload = 64 << 10
	magic0     = 0xa7
	magic1     = 0x53

	frameRequest = 1
	frameResult  = 2
	frameError   = 3
	frameData    = 4
	frameItem    = 5
	frameCredit  = 6
	frameCancel  = 7

	flagMore = 1 // the JSON text goes on in the next frame of this channel
	flagEnd  = 2 // last frame of the sender on this channel

	protocolVersion = 1
	// initialWindow is what each side may send on a channel before the first CREDIT, in bytes of DATA and ITEM payload.
	initialWindow = 256 << 10
	maxRequest    = 4 << 20
	maxChannels   = 4096
)

// markerMagic begins the 32-byte marker; 16 bytes of nonce follow. 0xf5 occurs in no UTF-8 text.
var markerMagic = [16]byte{0xf5, 'S', 'P', 'A', 'W', 'N', 'P', 'O', 'I', 'N', 'T', '-', 'M', 'A', 'R', 'K'}

const markerSize = 32

type frame struct {
	kind    byte
	flags   byte
	channel uint32
	// payload is valid until the parser reads again
	payload []byte
}

// appendFrame encodes a frame whose payload is the concatenation of parts.
func appendFrame(to []byte, kind, flags byte, channel uint32, parts ...[]byte) []byte {
	length := 0
	for _, part := range parts {
		length += len(part)
	}
	at := len(to)
	to = append(to, magic0, magic1, kind, flags, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0)
	header := to[at : at+headerSize]
	binary.LittleEndian.PutUint32(header[4:], channel)
	binary.LittleEndian.PutUint32(header[8:], uint32(length))
	sum := crc32.ChecksumIEEE(header[:12])
	for _, part := range parts {
		sum = crc32.Update(sum, crc32.IEEETable, part)
	}
	binary.LittleEndian.PutUint32(header[12:], sum)
	for _, part := range parts {
		to = append(to, part...)
	}
	return to
}

type parsed int

const (
	parsedNothing parsed = iota // more bytes are needed
	parsedFrame
	parsedMarker
)

// parser turns the byte stream of the host into frames and markers. Anything that is neither puts it into hunt mode:
// it drops bytes until the next marker.
type parser struct {
	buf        []byte
	start, end int
	hunting    bool
	nonce      [16]byte
}

func newParser() *parser {
	return &parser{buf: make([]byte, 2*(headerSize+maxPayload))}
}

// space returns where the next bytes belong; never empty.
func (p *parser) space() []byte {
	if p.start == p.end {
		p.start, p.end = 0, 0
	} else if len(p.buf)-p.end < headerSize+maxPayload && p.start > 0 {
		copy(p.buf, p.buf[p.start:p.end])
		p.end -= p.start
		p.start = 0
	}
	return p.buf[p.end:]
}

func (p *parser) filled(n int) { p.end += n }

// empty tells that nothing was read that is not taken yet.
func (p *parser) empty() bool { return p.start == p.end }

func (p *parser) next() (parsed, frame) {
	for {
		have := p.buf[p.start:p.end]
		if p.hunting {
			if !p.hunt(have) {
				return parsedNothing, frame{}
			}
			return parsedMarker, frame{}
		}
		if len(have) == 0 {
			return parsedNothing, frame{}
		}
		if have[0] == markerMagic[0] {
			// A marker between frames, or garbage; hunting tells which, and takes it from the same place.
			p.hunting = true
			continue
		}
		if len(have) < headerSize {
			if have[0] != magic0 || (len(have) > 1 && have[1] != magic1) {
				p.hunting = true
				continue
			}
			return parsedNothing, frame{}
		}
		length := binary.LittleEndian.Uint32(have[8:])
		if have[0] != magic0 || have[1] != magic1 || length > maxPayload {
			p.hunting = true
			continue
		}
		if len(have) < headerSize+int(length) {
			return parsedNothing, frame{}
		}
		payload := have[headerSize : headerSize+int(length)]
		sum := crc32.Update(crc32.ChecksumIEEE(have[:12]), crc32.IEEETable, payload)
		if sum != binary.LittleEndian.Uint32(have[12:]) {
			// The frame may have swallowed a marker: hunt from behind its first byte, not from behind its end.
			p.start++
			p.hunting = true
			continue
		}
		p.start += headerSize + int(length)
		return parsedFrame, frame{have[2], have[3], binary.LittleEndian.Uint32(have[4:]), payload}
	}
}

// hunt drops bytes until a whole marker is found.
func (p *parser) hunt(have []byte) bool {
	i := 0
	for ; i < len(have); i++ {
		if have[i] != markerMagic[0] {
			continue
		}
		rest := have[i:]
		n := len(rest)
		if n > len(markerMagic) {
			n = len(markerMagic)
		}
		if string(rest[:n]) != string(markerMagic[:n]) {
			continue
		}
		if len(rest) < markerSize {
			break
		}
		copy(p.nonce[:], rest[16:markerSize])
		p.start += i + markerSize
		p.hunting = false
		return true
	}
	p.start += i
	return false
}
