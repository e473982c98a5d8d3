package main

import (
	"bytes"
	"math/rand"
	"testing"
)

// feed gives the parser the bytes in pieces of random size and collects what it makes of them.
func feed(p *parser, random *rand.Rand, input []byte) (frames []frame, nonces [][16]byte) {
	for len(input) > 0 {
		n := 1 + random.Intn(70000)
		if n > len(input) {
			n = len(input)
		}
		space := p.space()
		if n > len(space) {
			n = len(space)
		}
		copy(space, input[:n])
		p.filled(n)
		input = input[n:]
		for {
			kind, f := p.next()
			if kind == parsedNothing {
				break
			}
			if kind == parsedMarker {
				nonces = append(nonces, p.nonce)
				continue
			}
			f.payload = append([]byte(nil), f.payload...)
			frames = append(frames, f)
		}
	}
	return frames, nonces
}

func marker(nonce byte) []byte {
	m := append([]byte{}, markerMagic[:]...)
	return append(m, bytes.Repeat([]byte{nonce}, 16)...)
}

func TestFramesSurviveAnyCut(t *testing.T) {
	random := rand.New(rand.NewSource(1))
	for round := 0; round < 50; round++ {
		var input []byte
		var want [][]byte
		for i := 0; i < 20; i++ {
			payload := make([]byte, random.Intn(maxPayload+1))
			random.Read(payload)
			want = append(want, payload)
			input = appendFrame(input, frameData, byte(i), uint32(i), payload)
		}
		frames, nonces := feed(newParser(), random, input)
		if len(frames) != len(want) || len(nonces) != 0 {
			t.Fatalf("%d frames, %d markers", len(frames), len(nonces))
		}
		for i, f := range frames {
			if f.channel != uint32(i) || f.flags != byte(i) || !bytes.Equal(f.payload, want[i]) {
				t.Fatalf("frame %d differs", i)
			}
		}
	}
}

// However an earlier session was cut off, the marker is found and nothing of the half frame gets through.
func TestMarkerAfterHalfFrame(t *testing.T) {
	random := rand.New(rand.NewSource(2))
	payload := make([]byte, 40000)
	random.Read(payload)
	whole := appendFrame(nil, frameData, flagEnd, 7, payload)
	preamble := append(make([]byte, maxPayload+headerSize), marker(9)...)
	cuts := []int{}
	for i := 0; i < 40; i++ {
		cuts = append(cuts, i, random.Intn(len(whole)))
	}
	for _, cut := range cuts {
		input := append([]byte{}, whole[:cut]...)
		input = append(input, preamble...)
		input = appendFrame(input, frameRequest, flagEnd, 1, []byte("{}"))
		frames, nonces := feed(newParser(), random, input)
		if len(nonces) != 1 || nonces[0][0] != 9 {
			t.Fatalf("cut at %d: markers %v", cut, nonces)
		}
		if len(frames) != 1 || frames[0].kind != frameRequest {
			t.Fatalf("cut at %d: %d frames", cut, len(frames))
		}
	}
}

// A frame whose checksum is wrong must not swallow the marker inside its length.
func TestMarkerInsideBrokenFrame(t *testing.T) {
	broken := appendFrame(nil, frameData, 0, 1, append(bytes.Repeat([]byte{5}, 100), append(marker(3), 1, 2, 3)...))
	broken[20] ^= 1
	_, nonces := feed(newParser(), rand.New(rand.NewSource(3)), broken)
	if len(nonces) != 1 || nonces[0][0] != 3 {
		t.Fatalf("markers %v", nonces)
	}
}

func TestGarbageNeverPanics(t *testing.T) {
	random := rand.New(rand.NewSource(4))
	for round := 0; round < 200; round++ {
		input := make([]byte, random.Intn(5000))
		random.Read(input)
		for i := 0; i < 3; i++ {
			at := random.Intn(len(input) + 1)
			piece := marker(byte(i))[:random.Intn(33)]
			if i == 2 {
				piece = appendFrame(nil, byte(random.Intn(10)), 0, 1, input[:at])
			}
			input = append(input[:at:at], append(piece, input[at:]...)...)
		}
		p := newParser()
		feed(p, random, input)
		frames, nonces := feed(p, random, append(append(make([]byte, maxPayload+headerSize), marker(200)...), appendFrame(nil, 4, 0, 9, nil)...))
		if nonces[len(nonces)-1][0] != 200 || frames[len(frames)-1].channel != 9 {
			t.Fatal("not in step behind the marker")
		}
	}
}
