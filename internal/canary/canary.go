// Package canary names the word that is part of every secret in tests: of
// webhooks, tokens and signing secrets. Whoever finds it in what tests print, or
// in a log, has found a place where the product shows a secret. It decides nothing.
package canary

// Word is in every secret of the tests, and in nothing else that they print.
const Word = "CANARY"

// Heard is what one test of a suite prints, so that a search that hears nothing
// at all does not pass for silence.
const Heard = "whoever searches this output for secrets hears this line"

// Secrets of the three kinds.
const (
	Hook    = "/services/T0000/B0000/" + Word // path of an incoming webhook
	Token   = "xoxb-1-" + Word                // of a bot
	Signing = Word + "-signing-secret"        // of a Slack app
)
