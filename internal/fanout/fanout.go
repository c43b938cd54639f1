// Package fanout does the same with many things, a few at a time.
package fanout

import (
	"fmt"
	"runtime/debug"
	"sync"
)

// Each calls do for 0 to n-1, no more than limit at a time, and waits for all.
// Nobody could recover a panic in a goroutine of its own, and it would end the
// process: Each panics itself instead, with what the first one said and the stack
// of where that was.
func Each(n, limit int, do func(i int)) {
	var (
		all   sync.WaitGroup
		first sync.Once
		crash string
	)
	places := make(chan struct{}, limit)
	for i := range n {
		places <- struct{}{}
		all.Go(func() {
			defer func() { <-places }()
			defer func() {
				if v := recover(); v != nil {
					first.Do(func() { crash = fmt.Sprintf("%v\n\n%s", v, debug.Stack()) })
				}
			}()
			do(i)
		})
	}
	all.Wait()
	if crash != "" {
		panic(crash)
	}
}
