package notify

// Hash lets tests say what a message shows.
var Hash = hash
