package presence

import (
	"container/heap"
	"time"
)

// alarm is something that becomes due. It is in the queue at most once.
type alarm struct {
	at    time.Time
	index int // in the queue, from 1; 0 = not in it
	owner due
}

// due is told when its alarm has come. The tracker's lock is held.
type due interface{ fire(now time.Time) }

// queue is a heap of alarms, the earliest first.
type queue []*alarm

func (q queue) Len() int           { return len(q) }
func (q queue) Less(i, j int) bool { return q[i].at.Before(q[j].at) }
func (q queue) Swap(i, j int) {
	q[i], q[j] = q[j], q[i]
	q[i].index, q[j].index = i+1, j+1
}

func (q *queue) Push(x any) {
	a := x.(*alarm)
	*q = append(*q, a)
	a.index = len(*q)
}

func (q *queue) Pop() any {
	last := len(*q) - 1
	a := (*q)[last]
	(*q)[last] = nil
	*q = (*q)[:last]
	a.index = 0
	return a
}

// set puts an alarm into the queue, or moves it. It reports whether it is the
// first of all.
func (q *queue) set(a *alarm, at time.Time) (first bool) {
	a.at = at
	if a.index == 0 {
		heap.Push(q, a)
	} else {
		heap.Fix(q, a.index-1)
	}
	return a.index == 1
}

// cancel takes an alarm out.
func (q *queue) cancel(a *alarm) {
	if a.index > 0 {
		heap.Remove(q, a.index-1)
	}
}

// take removes and returns the first alarm that is due, nil when none is.
func (q *queue) take(now time.Time) *alarm {
	if len(*q) == 0 || (*q)[0].at.After(now) {
		return nil
	}
	return heap.Pop(q).(*alarm)
}
