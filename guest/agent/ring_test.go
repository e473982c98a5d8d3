package main

import (
	"bytes"
	"math/rand"
	"testing"
)

// The ring against a slice that keeps everything.
func TestRingAgainstModel(t *testing.T) {
	random := rand.New(rand.NewSource(1))
	for round := 0; round < 200; round++ {
		r := ring{limit: 4096 + random.Intn(20000)}
		var all []byte
		for step := 0; step < 50; step++ {
			piece := make([]byte, random.Intn(12000))
			if random.Intn(10) == 0 {
				piece = make([]byte, random.Intn(60000))
			}
			random.Read(piece)
			r.append(piece)
			all = append(all, piece...)
			if random.Intn(8) == 0 {
				r.trim()
			}
			if r.end != int64(len(all)) {
				t.Fatalf("end %d of %d", r.end, len(all))
			}
			want := len(all)
			if want > r.limit {
				want = r.limit
			}
			if int(r.end-r.start) != want {
				t.Fatalf("keeps %d, not %d", r.end-r.start, want)
			}
			offset := r.start + random.Int63n(r.end-r.start+1)
			a, b := r.slices(offset, random.Intn(30000))
			got := append(append([]byte(nil), a...), b...)
			if !bytes.Equal(got, all[offset:int(offset)+len(got)]) {
				t.Fatalf("bytes at %d differ", offset)
			}
			if len(r.data) > r.limit {
				t.Fatalf("%d bytes of memory for %d", len(r.data), r.limit)
			}
		}
	}
}

func TestRingDrop(t *testing.T) {
	r := ring{limit: 4096}
	r.append([]byte("hello"))
	r.drop()
	if r.start != 5 || r.end != 5 {
		t.Fatal(r.start, r.end)
	}
	r.append([]byte("there"))
	if a, b := r.slices(5, 100); string(a)+string(b) != "there" {
		t.Fatalf("%q %q", a, b)
	}
}
