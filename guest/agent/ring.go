package main

// ring keeps the last `limit` bytes of a stream; offsets count from the stream's first byte. Memory grows with what was
// written, up to the limit.
type ring struct {
	data  []byte
	limit int
	// end is the offset behind the last byte, start of the first one still kept
	start, end int64
}

func (r *ring) append(p []byte) {
	if len(p) > r.limit {
		r.end += int64(len(p) - r.limit)
		r.start = r.end
		p = p[len(p)-r.limit:]
	}
	need := int(r.end-r.start) + len(p)
	if need > r.limit {
		need = r.limit
	}
	if need > len(r.data) {
		r.grow(need)
	}
	size := int64(len(r.data))
	if size == 0 {
		return
	}
	at := r.end % size
	n := copy(r.data[at:], p)
	copy(r.data, p[n:])
	r.end += int64(len(p))
	if r.end-r.start > int64(r.limit) {
		r.start = r.end - int64(r.limit)
	}
}

func (r *ring) grow(need int) {
	size := 4096
	for size < need {
		size *= 2
	}
	if size > r.limit {
		size = r.limit
	}
	r.resize(size)
}

// resize moves the content into another array. Preconditions: it fits.
func (r *ring) resize(size int) {
	data := make([]byte, size)
	for offset := r.start; offset < r.end; {
		a, b := r.slices(offset, int(r.end-offset))
		for _, part := range [][]byte{a, b} {
			at := offset % int64(size)
			n := copy(data[at:], part)
			copy(data, part[n:])
			offset += int64(len(part))
		}
	}
	r.data = data
}

// slices returns up to n bytes from offset on, in two pieces. Preconditions: start <= offset <= end.
func (r *ring) slices(offset int64, n int) (a, b []byte) {
	if have := int(r.end - offset); n > have {
		n = have
	}
	if n <= 0 {
		return nil, nil
	}
	at := int(offset % int64(len(r.data)))
	if at+n <= len(r.data) {
		return r.data[at : at+n], nil
	}
	return r.data[at:], r.data[:at+n-len(r.data)]
}

// trim gives back memory that no byte uses, for streams that ended.
func (r *ring) trim() {
	if used := int(r.end - r.start); used*2 < len(r.data) {
		if used == 0 {
			r.data = nil
			return
		}
		r.resize(used)
	}
}

// drop forgets all bytes; readers see a gap.
func (r *ring) drop() {
	r.start = r.end
	r.data = nil
}
