package tcp

// Controller is a congestion controller (skeleton).
type Controller interface{ Name() string }
