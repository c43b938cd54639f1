package edge

import "time"

type bucketKey struct {
	Scope
	service string
}

// A bucket holds the calls that may still be made; it refills over the machine's
// time, since that is what an SDK's backoff waits for.
type bucket struct {
	tokens float64
	at     time.Time
}

// take uses up one token and says whether there was one.
func (f *Faults) take(k bucketKey, now time.Time) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.burst == 0 {
		return true
	}
	b := f.buckets[k]
	if b == nil {
		b = &bucket{tokens: float64(f.burst), at: now}
		f.buckets[k] = b
	}
	b.tokens = min(float64(f.burst), b.tokens+f.rate*now.Sub(b.at).Seconds())
	b.at = now
	if b.tokens < 1 {
		return false
	}
	b.tokens--
	return true
}
