package api

import (
	"context"
	"errors"
	"io"
	"os"
	"sync"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humago"

	"concord/internal/auth"
)

const (
	// bodyTimeout is how long a body may take to arrive, from when it has room.
	bodyTimeout = time.Minute
	// smallBody is the size up to which a body needs no share of the memory budget.
	smallBody = 1 << 20
)

// largeBodies is how many above smallBody one user, one company, and everybody may
// have under way: whoever is slow is in the way of few others.
var largeBodies = [3]int{1, 2, 4}

// bodyBudget bounds the memory of large bodies: they wait for each other, in the
// order in which they come.
type bodyBudget struct {
	mu    sync.Mutex // guards the following field
	pools map[bodyPool]*bodyShares
}

// bodyPool says whose shares they are: a user's, with level 0; a company's;
// everybody's.
type bodyPool struct {
	level         int // in largeBodies
	company, user string
}

type bodyShares struct {
	held  chan struct{}
	calls int // that hold or await one; without any the pool is forgotten
}

func newBodyBudget() *bodyBudget { return &bodyBudget{pools: make(map[bodyPool]*bodyShares)} }

// take waits for a share for a caller. It returns nil when ctx ends first.
func (b *bodyBudget) take(ctx context.Context, p auth.Principal) (giveBack func()) {
	var taken []func()
	giveBack = func() {
		for _, leave := range taken {
			leave()
		}
	}
	// Who awaits a share of a wider pool holds one of the narrower.
	for _, pool := range []bodyPool{{0, p.Company, p.User}, {1, p.Company, ""}, {2, "", ""}} {
		leave := b.enter(ctx, pool)
		if leave == nil {
			giveBack()
			return nil
		}
		taken = append(taken, leave)
	}
	return giveBack
}

// enter waits for a share of one pool.
func (b *bodyBudget) enter(ctx context.Context, pool bodyPool) (leave func()) {
	b.mu.Lock()
	s := b.pools[pool]
	if s == nil {
		s = &bodyShares{held: make(chan struct{}, largeBodies[pool.level])}
		b.pools[pool] = s
	}
	s.calls++
	b.mu.Unlock()
	forget := func() {
		b.mu.Lock()
		defer b.mu.Unlock()
		if s.calls--; s.calls == 0 {
			delete(b.pools, pool)
		}
	}
	select {
	case s.held <- struct{}{}:
		return func() { <-s.held; forget() }
	case <-ctx.Done():
		forget()
		return nil
	}
}

// budgeted is the middleware that lets bodies be read within the budget.
func (s *Server) budgeted(ctx huma.Context, next func(huma.Context)) {
	r, _ := humago.Unwrap(ctx)
	body := &budgetedBody{ReadCloser: r.Body, budget: s.bodies, ctx: ctx}
	defer func() {
		if body.giveBack != nil {
			body.giveBack()
		}
	}()
	r.Body = body
	next(ctx)
}

// errIncomplete says that the rest of a body doesn't come, or isn't HTTP. As a
// timeout it is answered with 408; else it would count as a fault of the server's.
var errIncomplete = os.ErrDeadlineExceeded

// budgetedBody takes a share when it turns out to be large. Before, who sends
// slowly, or announces more than is sent, is in nobody's way.
type budgetedBody struct {
	io.ReadCloser
	budget   *bodyBudget
	ctx      huma.Context
	read     int
	giveBack func() // nil: it has no share
}

// Read reads on, once there is room.
func (b *budgetedBody) Read(p []byte) (int, error) {
	if b.read >= smallBody && b.giveBack == nil {
		ctx := b.ctx.Context()
		if b.giveBack = b.budget.take(ctx, caller(ctx)); b.giveBack == nil {
			return 0, errIncomplete
		}
		_ = b.ctx.SetReadDeadline(time.Now().Add(bodyTimeout)) // waiting isn't the client's fault
	}
	n, err := b.ReadCloser.Read(p)
	b.read += n
	if err != nil && !errors.Is(err, io.EOF) {
		err = errIncomplete
	}
	return n, err
}
