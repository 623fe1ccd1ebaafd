package presence

import (
	"testing"
	"testing/synctest"
	"time"
)

func TestTyping(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newMemory()
		tracker := m.open(t, Options{})
		defer tracker.Close()
		c := tracker.Connect("acme", "ann", "phone")
		name := document(1).String()[:3]
		say := func(field string, on bool) {
			t.Helper()
			if err := c.Typing(document(1), field, on); err != nil {
				t.Fatal(err)
			}
		}
		say("total", false)
		want(t, "the end of nothing", m.takeTyping(), []string(nil))
		for range 60 { // six seconds of keys
			say("total", true)
			time.Sleep(100 * time.Millisecond)
		}
		want(t, "keys", m.takeTyping(), []string{
			"acme ann " + name + " total on 0s", "acme ann " + name + " total on 2.5s", "acme ann " + name + " total on 5s",
		})
		time.Sleep(4800 * time.Millisecond)
		want(t, "before it expires", m.takeTyping(), []string(nil))
		time.Sleep(200 * time.Millisecond)
		want(t, "when it has", m.takeTyping(), []string{"acme ann " + name + " total off 10.9s"})

		time.Sleep(time.Second) // 12 s
		for range 100 {         // a client that can't decide
			say("note", true)
			say("note", false)
			time.Sleep(10 * time.Millisecond)
		}
		say("note", true) // 13 s
		time.Sleep(time.Second)
		want(t, "flapping", m.takeTyping(), []string{
			"acme ann " + name + " note on 12s", "acme ann " + name + " note off 12.5s", "acme ann " + name + " note on 13s",
		})
		c.Close()
		want(t, "the end of the connection", m.takeTyping(), []string{"acme ann " + name + " note off 14s"})
		time.Sleep(time.Minute)
		want(t, "companies in memory", tracker.known(), 0)
		say("note", true)
		want(t, "on a closed connection", m.takeTyping(), []string(nil))
	})
}

// The device that typed last keeps the other's end from counting.
func TestTypingOnTwoDevices(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newMemory()
		tracker := m.open(t, Options{})
		defer tracker.Close()
		name := document(1).String()[:3]
		phone, desk := tracker.Connect("acme", "ann", "phone"), tracker.Connect("acme", "ann", "desk")
		for _, c := range []*Connection{phone, desk} {
			if err := c.Typing(document(1), "total", true); err != nil {
				t.Fatal(err)
			}
		}
		time.Sleep(time.Second)
		phone.Close()
		want(t, "typing", m.takeTyping(), []string{"acme ann " + name + " total on 0s"})
		desk.Close()
		want(t, "end", m.takeTyping(), []string{"acme ann " + name + " total off 1s"})
	})
}
