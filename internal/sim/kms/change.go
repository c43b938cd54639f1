package kms

import (
	"time"

	"github.com/eks-steward/eks-steward/internal/sim/awsjson"
	"github.com/eks-steward/eks-steward/internal/sim/edge"
)

// change lets one caller at a time change a key, unless how refuses; see "Key
// states of KMS keys" in the KMS developer guide.
func (s *Service) change(c edge.Call, keyID string, how func(*Key) error) (Key, error) {
	k, err := s.find(c, keyID, false)
	if err != nil {
		return Key{}, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	k = s.keys[c.Scope][k.ID] // somebody may have changed it meanwhile
	if err := how(&k); err != nil {
		return Key{}, err
	}
	s.keys[c.Scope][k.ID] = k
	return k, nil
}

func wrongState(c edge.Call, k Key) error {
	return awsjson.Refuse("KMSInvalidStateException", c.ARN("kms", "key/"+k.ID)+" is in the state "+k.State+", in which it cannot be changed like that.")
}

type scheduleOutput struct {
	KeyID        string  `json:"KeyId"`
	DeletionDate float64 `json:",omitempty"`
	KeyState     string
	Window       int `json:"PendingWindowInDays"`
}

// Bounds of a deletion's waiting period in days, from the API reference of
// ScheduleKeyDeletion.
const minWindow, maxWindow = 7, 30

// scheduleDeletion gives a key an end, unless it is a multi-Region primary with
// replicas: that one waits for them, without a date.
func (s *Service) scheduleDeletion(c edge.Call, in input) (any, error) {
	window := maxWindow
	if in.PendingWindowInDays != nil {
		window = *in.PendingWindowInDays
	}
	if window < minWindow || window > maxWindow {
		return nil, invalid("pendingWindowInDays", window)
	}
	k, err := s.change(c, in.KeyID, func(k *Key) error {
		if k.pending() {
			return wrongState(c, *k)
		}
		k.window = window
		if m := k.MultiRegion; m != nil && m.Primary == c.Region && len(m.Replicas) > 0 {
			k.State = pendingReplicaDeletion
			return nil
		}
		k.State, k.Deletion = pendingDeletion, s.now().Add(time.Duration(window)*24*time.Hour)
		return nil
	})
	if err != nil {
		return nil, err
	}
	return scheduleOutput{KeyID: c.ARN("kms", "key/"+k.ID), DeletionDate: awsjson.Seconds(k.Deletion), KeyState: k.State, Window: window}, nil
}

type cancelOutput struct {
	KeyID string `json:"KeyId"`
}

// cancelDeletion saves a key and leaves it disabled.
func (s *Service) cancelDeletion(c edge.Call, in input) (any, error) {
	k, err := s.change(c, in.KeyID, func(k *Key) error {
		if !k.pending() {
			return wrongState(c, *k)
		}
		k.State, k.Deletion, k.window = disabled, time.Time{}, 0
		return nil
	})
	if err != nil {
		return nil, err
	}
	return cancelOutput{c.ARN("kms", "key/"+k.ID)}, nil
}

func (s *Service) disableKey(c edge.Call, in input) (any, error) { return s.turn(c, in, disabled) }

func (s *Service) enableKey(c edge.Call, in input) (any, error) { return s.turn(c, in, enabled) }

func (s *Service) turn(c edge.Call, in input, state string) (any, error) {
	_, err := s.change(c, in.KeyID, func(k *Key) error {
		if k.State != enabled && k.State != disabled {
			return wrongState(c, *k)
		}
		k.State = state
		return nil
	})
	return struct{}{}, err
}
