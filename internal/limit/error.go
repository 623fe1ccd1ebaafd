package limit

import (
	"fmt"
	"math"
	"time"
)

// Error says which limit was reached.
type Error struct {
	Limit      string        // such as "publishes per user"
	Rate       int           // per second
	Burst      int           // at once
	RetryAfter time.Duration // until it can be done; 0 = never, it is more than the burst
}

func (e *Error) Error() string {
	if e.RetryAfter == 0 {
		return fmt.Sprintf("limit of %s: at most %d at once", e.Limit, e.Burst)
	}
	return fmt.Sprintf("limit of %s: %d per second, %d at once; try again in %v", e.Limit, e.Rate, e.Burst, e.wait())
}

// wait is RetryAfter as people are told it, rounded up.
func (e *Error) wait() time.Duration {
	return (e.RetryAfter + 99*time.Millisecond).Truncate(100 * time.Millisecond)
}

// Seconds is RetryAfter for a Retry-After header: whole seconds, at least one.
func (e *Error) Seconds() int {
	return max(1, int(math.Ceil(e.RetryAfter.Seconds())))
}
