package events

import (
	"bytes"
	"encoding/binary"
	"time"

	"concord/store"
)

// trimStep is how many records one write deletes.
const trimStep = 500

// trim deletes what is too old of all companies, in small writes between those of others.
func (l *Log) trim() {
	l.deliveries.forgetBefore(l.o.Now().Add(-l.o.TTL))
	companies, err := l.store.Companies()
	if err != nil {
		l.o.Logger.Error("events can't be trimmed", "error", err)
		return
	}
	for _, name := range companies {
		for more := true; more && !l.ending(); {
			if more, err = l.trimEvents(name); err != nil {
				l.o.Logger.Error("events can't be trimmed", "company", name, "error", err)
				break
			}
			l.flushDue()
		}
		if l.ending() {
			return
		}
		if err := l.trimState(name); err != nil {
			l.o.Logger.Error("state of events can't be trimmed", "company", name, "error", err)
		}
	}
}

// flushDue makes durable what was acknowledged meanwhile: there can be much to trim.
func (l *Log) flushDue() {
	select {
	case <-l.acking:
		l.flushAcks()
		l.flushReceipts()
	default:
	}
}

func (l *Log) ending() bool {
	select {
	case <-l.quit:
		return true
	default:
		return false
	}
}

// trimEvents deletes the first of a company's events that are too old; more is true when others may be left.
func (l *Log) trimEvents(name string) (more bool, err error) {
	oldest := l.o.Now().Add(-l.o.TTL).UnixMilli()
	var list []store.Record
	looked, last := 0, uint64(0)
	err = l.store.Scan(name, store.TableEvents, store.Range{}, func(key, value []byte) error {
		if looked++; looked > trimStep {
			return store.ErrStop
		}
		// One that is malformed goes as well. Times follow the order of the log by and large.
		if h, ok := parseHeader(value); !ok || h.time < oldest {
			list = append(list, store.Record{Table: store.TableEvents, Key: bytes.Clone(key)})
			last = binary.BigEndian.Uint64(key)
		}
		return nil
	})
	if err != nil || len(list) == 0 {
		return false, err
	}
	_, trimmed, err := l.ends(name)
	if err != nil {
		return false, err
	}
	last = max(last, trimmed)
	l.announce(name, last)
	s := State{Kind: StateTrimmed, Body: binary.BigEndian.AppendUint64(nil, last)}
	return len(list) == trimStep, l.put(name, append(list, s.Record()))
}

// announce tells feeds, before it happens, that events will be gone.
func (l *Log) announce(name string, trimmed uint64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.trimmed[name] = max(l.trimmed[name], trimmed)
	if c := l.companies[name]; c != nil {
		c.mu.Lock()
		defer c.mu.Unlock()
		c.trimmed = max(c.trimmed, trimmed)
		c.drop(int(min(uint64(len(c.tail)), max(trimmed+1, c.first)-c.first)))
	}
}

// trimState looks at some more of a company's other records, and deletes those that are too old.
func (l *Log) trimState(name string) error {
	now := l.o.Now()
	var list []store.Record
	var next []byte
	looked := 0
	part := store.Range{From: l.trimFrom[name]}
	err := l.store.Scan(name, store.TableEventState, part, func(key, value []byte) error {
		if looked++; looked > 10*trimStep {
			next = bytes.Clone(key)
			return store.ErrStop
		}
		if s, err := ParseState(key, value); err == nil && !s.Until.IsZero() && s.Until.Before(now) {
			list = append(list, store.Record{Table: store.TableEventState, Key: bytes.Clone(key)})
		}
		return nil
	})
	if err != nil {
		return err
	}
	if l.trimFrom[name] = next; next == nil {
		delete(l.trimFrom, name)
	}
	return l.put(name, list)
}

// run flushes acknowledgements and trims, until the log is closed.
func (l *Log) run() {
	defer l.running.Done()
	ticker := time.NewTicker(min(max(l.o.TTL/48, 50*time.Millisecond), time.Minute))
	defer ticker.Stop()
	for {
		select {
		case <-ticker.C:
			l.trim()
		case <-l.acking:
			select {
			case <-time.After(l.o.gather):
			case <-l.quit:
			}
			l.flushAcks()
			l.flushReceipts()
		case <-l.quit:
			l.ackMu.Lock()
			l.ackClosed = true
			l.ackMu.Unlock()
			l.flushAcks()
			l.flushReceipts()
			return
		}
	}
}

// ackEvery is for how long acknowledgements and receipts gather.
const ackEvery = time.Second
