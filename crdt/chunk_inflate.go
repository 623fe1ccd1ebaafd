package crdt

import (
	"bytes"
	"io"
	"sync"

	"github.com/klauspost/compress/flate"
)

// inflater holds what inflating needs, for reuse. Its buffer takes the whole
// output of most changes, so that those are inflated once.
type inflater struct {
	src    bytes.Reader
	stream io.ReadCloser
	buf    [16 << 10]byte
}

var inflaters = sync.Pool{New: func() any {
	f := &inflater{}
	f.stream = flate.NewReader(&f.src)
	return f
}}

// inflateChange inflates the data of a type 2 chunk into a type 1 chunk. It
// counts the output first and stops at the limit, then allocates exactly.
func inflateChange(data []byte, checksum [4]byte, maxBytes int) ([]byte, error) {
	f := inflaters.Get().(*inflater)
	defer f.release()
	size, err := f.measure(data, maxBytes)
	if err != nil {
		return nil, err
	}
	out := make([]byte, 0, hashedFrom+1+ulebLen(uint64(size))+size)
	out = appendChunkHeader(out, checksum, ChunkChange, size)
	return f.appendMeasured(out, data, size)
}

// inflateColumn inflates a column of a document in the same way.
func inflateColumn(data []byte, maxBytes int) ([]byte, error) {
	f := inflaters.Get().(*inflater)
	defer f.release()
	size, err := f.measure(data, maxBytes)
	if err != nil {
		return nil, err
	}
	return f.appendMeasured(make([]byte, 0, size), data, size)
}

// appendMeasured appends the inflated data, whose size measure has returned
// just now, to out, which has room for it.
func (f *inflater) appendMeasured(out, data []byte, size int) ([]byte, error) {
	if size <= len(f.buf) {
		return append(out, f.buf[:size]...), nil
	}
	if err := f.reset(data); err != nil {
		return nil, err
	}
	start := len(out)
	out = out[:start+size]
	if _, err := io.ReadFull(f.stream, out[start:]); err != nil {
		return nil, refuse(ReasonMalformed, "deflate stream: %v", err)
	}
	return out, nil
}

// measure inflates data to its end and returns the number of bytes that came
// out; if they fit, they are in buf.
func (f *inflater) measure(data []byte, maxBytes int) (size int, err error) {
	if err := f.reset(data); err != nil {
		return 0, err
	}
	for at := 0; ; {
		n, err := f.stream.Read(f.buf[at:])
		size += n
		if size > maxBytes {
			return 0, withCost(refuse(ReasonLimit, "chunk inflates to more than %d bytes", maxBytes), size)
		}
		if err == io.EOF {
			break
		}
		if err != nil {
			return 0, withCost(refuse(ReasonMalformed, "deflate stream: %v", err), size)
		}
		if at += n; at == len(f.buf) {
			at = 0
		}
	}
	if n := f.src.Len(); n > 0 {
		return 0, withCost(refuse(ReasonMalformed, "%d bytes after the deflate stream", n), size)
	}
	return size, nil
}

func (f *inflater) reset(data []byte) error {
	f.src.Reset(data)
	if err := f.stream.(flate.Resetter).Reset(&f.src, nil); err != nil {
		return refuse(ReasonMalformed, "deflate stream: %v", err)
	}
	return nil
}

// release puts f back for reuse without a reference to the input.
func (f *inflater) release() {
	f.src.Reset(nil)
	inflaters.Put(f)
}
