// Package fanout does the same with many things, a few at a time.
package fanout

import "sync"

// Each calls do for 0 to n-1, no more than limit at a time, and waits for all.
func Each(n, limit int, do func(i int)) {
	var all sync.WaitGroup
	places := make(chan struct{}, limit)
	for i := range n {
		places <- struct{}{}
		all.Go(func() {
			defer func() { <-places }()
			do(i)
		})
	}
	all.Wait()
}
