package store

import "fmt"

// numberSize is the size of the number that a record has for a key.
const numberSize = 8

// counterKey is a table of a company in which records have numbers.
type counterKey struct {
	company uint32
	def     *bucket
}

func (k counterKey) bytes() []byte { return append(appendU32(nil, k.company), k.def.name...) }

// numbering is what one commit has put into a table of a company.
type numbering struct {
	counterKey
	name   string // of the company
	first  uint64
	values [][]byte
}

// counter returns the number that was given last.
func (b *batch) counter(def *bucket, company uint32) (uint64, error) {
	k := counterKey{company, def}
	if last, ok := b.counters[k]; ok {
		return last, nil
	}
	last, err := b.reader.counter(k)
	if err == nil {
		b.counters[k] = last
	}
	return last, err
}

func (r reader) counter(k counterKey) (uint64, error) {
	key := k.bytes()
	v, ok, err := r.get(countersBucket, key)
	if err != nil || !ok {
		return 0, err
	}
	last, ok := decodeCounter(v)
	if !ok {
		return 0, countersBucket.corrupt(key, "record is malformed")
	}
	return last, nil
}

func decodeCounter(v []byte) (last uint64, ok bool) {
	if len(v) != numberSize || u64(v) == 0 || u64(v)+1 == 0 {
		return 0, false
	}
	return u64(v), true
}

// give returns the whole key of a record that gets the next number. counter was called for the company before.
func (b *batch) give(def *bucket, company, value []byte) (key []byte) {
	k := counterKey{u32(company), def}
	last := b.counters[k] + 1
	b.counters[k] = last
	b.put(countersBucket, k.bytes(), appendU64(nil, last))
	if b.tell {
		b.note(k, last, value[:len(value):len(value)])
	}
	return appendU64(company, last)
}

// note keeps a numbered value for those who are to be told.
func (b *batch) note(k counterKey, number uint64, value []byte) {
	for i := range b.numbered {
		if n := &b.numbered[i]; n.counterKey == k {
			n.values = append(n.values, value)
			return
		}
	}
	name, err := b.companyName(k.company)
	if err != nil {
		b.failed = err
	}
	b.numbered = append(b.numbered, numbering{k, name, number, [][]byte{value}})
}

// Last returns the number that was given last to a record of a company in a table, 0 for none; ErrInvalid for a table
// without numbers.
func (s *Store) Last(company string, t Table) (last uint64, err error) {
	err = s.view(nil, func(r reader) error {
		def, number, err := r.table(company, t)
		if err != nil || def == nil {
			return err
		}
		if !def.numbered {
			return fmt.Errorf("table %s has no numbers: %w", t, ErrInvalid)
		}
		last, err = r.counter(counterKey{number, def})
		return err
	})
	if err != nil {
		return 0, fmt.Errorf("read last number: %w", err)
	}
	return last, nil
}
