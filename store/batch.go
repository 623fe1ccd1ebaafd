package store

import (
	"bytes"
	"fmt"

	"go.etcd.io/bbolt"
)

// batch is one write transaction with what it has looked up so far. After failed is set the transaction must not be
// committed.
type batch struct {
	reader
	buckets map[*bucket]*bbolt.Bucket
	numbers map[numberKey]uint32
	puts    int
	failed  error

	counters map[counterKey]uint64 // numbers given last
	tell     bool                  // numbered is wanted
	numbered []numbering

	committed []func() // called right after the commit
}

func newBatch(tx *bbolt.Tx) *batch {
	return &batch{
		reader:   reader{tx: tx},
		buckets:  make(map[*bucket]*bbolt.Bucket, len(allBuckets)),
		numbers:  make(map[numberKey]uint32),
		counters: make(map[counterKey]uint64),
	}
}

// writable returns a bucket for puts and deletes, or nil after a failure.
func (b *batch) writable(def *bucket) *bbolt.Bucket {
	if b.failed != nil {
		return nil
	}
	if bk, ok := b.buckets[def]; ok {
		return bk
	}
	bk, err := b.bucket(def)
	if err != nil {
		b.failed = err
		return nil
	}
	if def.fill != 0 {
		bk.FillPercent = def.fill
	}
	b.buckets[def] = bk
	return bk
}

// put seals and writes a record. It takes payload over and may append to it; key stays the caller's.
func (b *batch) put(def *bucket, key, payload []byte) {
	b.putSealed(def, key, def.seal(key, payload))
}

// putSealed writes a record whose value has its checksum already.
func (b *batch) putSealed(def *bucket, key, value []byte) {
	bk := b.writable(def)
	if bk == nil {
		return
	}
	if err := bk.Put(key, value); err != nil {
		b.failed = fmt.Errorf("put into bucket %s, key %x: %w", def.name, key, err)
	}
	b.puts++
}

func (b *batch) delete(def *bucket, key []byte) {
	bk := b.writable(def)
	if bk == nil {
		return
	}
	if err := bk.Delete(key); err != nil {
		b.failed = fmt.Errorf("delete from bucket %s, key %x: %w", def.name, key, err)
	}
	b.puts++
}

// numberKey is a text that has a number: a company (within company 0), or a label of a company.
type numberKey struct {
	company uint32
	text    string
}

func (k numberKey) prefix() []byte {
	if k.company == 0 {
		return nil
	}
	return appendU32(make([]byte, 0, companySize+len(k.text)), k.company)
}

// mintCompany returns the number of a company and gives it one at its first use.
func (b *batch) mintCompany(name string) (uint32, error) {
	return b.mint(companiesBucket, companyNamesBucket, numberKey{text: name})
}

// mintLabel does the same for a user or device of a company; an empty text is label 0.
func (b *batch) mintLabel(company uint32, text string) (uint32, error) {
	if text == "" {
		return 0, nil
	}
	return b.mint(labelsBucket, labelTextsBucket, numberKey{company, text})
}

// mint looks a text up in forward. A new text gets the number after the last one of its company in inverse, and a
// record in both buckets.
func (b *batch) mint(forward, inverse *bucket, k numberKey) (uint32, error) {
	if n, ok := b.numbers[k]; ok {
		return n, nil
	}
	key := append(k.prefix(), k.text...)
	n, ok, err := b.number(forward, key)
	if err != nil {
		return 0, err
	}
	if !ok {
		if n, err = b.nextNumber(inverse, k.prefix()); err != nil {
			return 0, err
		}
		b.put(forward, key, appendU32(nil, n))
		b.put(inverse, appendU32(k.prefix(), n), []byte(k.text))
	}
	b.numbers[k] = n
	return n, nil
}

func (b *batch) nextNumber(inverse *bucket, prefix []byte) (uint32, error) {
	k, _, err := b.lastUnder(inverse, prefix)
	if err != nil {
		return 0, err
	}
	if k == nil {
		return 1, nil
	}
	if len(k) != len(prefix)+4 || u32(k[len(prefix):]) == 1<<32-1 {
		return 0, inverse.corrupt(k, "number can't be followed")
	}
	return u32(k[len(prefix):]) + 1, nil
}

// lastUnder returns the last record whose key begins with prefix, or nil.
func (r reader) lastUnder(def *bucket, prefix []byte) (key, value []byte, err error) {
	bk, err := r.bucket(def)
	if err != nil {
		return nil, nil, err
	}
	key, value = before(bk.Cursor(), after(prefix))
	if key == nil || !bytes.HasPrefix(key, prefix) {
		return nil, nil, nil
	}
	return key, value, nil
}

// after returns the smallest key above all keys that begin with prefix, or nil when there is none.
func after(prefix []byte) []byte {
	end := bytes.Clone(prefix)
	for i := len(end) - 1; i >= 0; i-- {
		if end[i]++; end[i] != 0 {
			return end[:i+1]
		}
	}
	return nil
}
