package tcp

// Episode is a change in what the sender assumes about the path.
type Episode uint8

// The episodes. Each is reported with a reason.
const (
	EpisodeRecovery  Episode = iota // loss recovery starts (RFC 6582, RFC 8985)
	EpisodeRecovered                // loss recovery has ended
	EpisodeTimeout                  // the retransmission timer has expired (RFC 6298)
	EpisodeUndone                   // a reduction of cwnd is undone: nothing was lost (RFC 3522, RFC 3708)
	EpisodeProbe                    // a probe is sent: tail loss (RFC 8985 §7), zero window (RFC 9293 §3.8.6.1) or path MTU (RFC 4821)
	EpisodeMarked                   // ECE reduces cwnd (RFC 3168)
	EpisodePath                     // the segment size changes (RFC 1191, RFC 4821)

	numEpisodes
)

var episodeNames = [numEpisodes]string{"recovery", "recovered", "timeout", "undone", "probe", "marked", "path"}

// String returns the episode's name, one word.
func (e Episode) String() string {
	if e >= numEpisodes {
		return "unknown"
	}
	return episodeNames[e]
}

// The reasons with which episodes are reported.
const (
	whyDupAcks   = "three duplicate acknowledgements"
	whySACK      = "selective acknowledgements"
	whyLate      = "the reordering window is over"
	whyAcked     = "all of it is acknowledged"
	whyNoAck     = "no acknowledgement in time"
	whyNoSYN     = "no answer to the SYN in time"
	whyStamp     = "the first copy's timestamp was echoed"
	whyTwice     = "all that went again had arrived"
	whyTail      = "the tail is not acknowledged"
	whyNoWindow  = "the peer's window is closed"
	whyTooBig    = "a router says that they do not fit"
	whyVanish    = "long segments vanish"
	whyFits      = "a longer one has arrived"
	whyLonger    = "the path may carry more"
	whyEcho      = "the peer echoes a mark"
	whyTailFound = "the probe has repaired a loss"
)

func (c *Conn) reportEpisode(e Episode, why string) {
	if c.hooks != nil && c.hooks.Episode != nil {
		c.hooks.Episode(c, e, why)
	}
}
