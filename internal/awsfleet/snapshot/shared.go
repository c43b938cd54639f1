package snapshot

import (
	"sync"

	"github.com/eks-steward/eks-steward/internal/fleet"
)

// shared keeps what several clusters need. Its zero value is ready.
type shared[T any] struct {
	mu       sync.Mutex
	readings map[string]*reading[T]
}

// A reading is a part that somebody reads or has read.
type reading[T any] struct {
	done chan struct{} // closed when part is there
	part fleet.Part[T]
}

// of returns the part of a key. The first who asks for it reads it, the others
// wait.
func (s *shared[T]) of(key string, read func() fleet.Part[T]) fleet.Part[T] {
	r, first := s.reading(key)
	if first {
		r.part = read()
		close(r.done)
	}
	<-r.done
	return r.part
}

func (s *shared[T]) reading(key string) (r *reading[T], first bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if r, ok := s.readings[key]; ok {
		return r, false
	}
	if s.readings == nil {
		s.readings = map[string]*reading[T]{}
	}
	r = &reading[T]{done: make(chan struct{})}
	s.readings[key] = r
	return r, true
}
