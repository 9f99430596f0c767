package tcp

// Episode is a turn in what the sender thinks of the path.
type Episode uint8

// The episodes. Each comes with a reason, in words.
const (
	EpisodeRecovery  Episode = iota // fast recovery begins (RFC 6582, RFC 8985)
	EpisodeRecovered                // and has ended: what was out is acknowledged
	EpisodeTimeout                  // the retransmission timer has gone off (RFC 6298)
	EpisodeUndone                   // nothing was lost after all (RFC 3522, RFC 3708)
	EpisodeProbe                    // a probe goes: of the tail (RFC 8985 §7), of a closed window (RFC 9293 §3.8.6.1), of the path (RFC 4821)
	EpisodeMarked                   // a router has marked what could not be queued for long, and the window is reduced (RFC 3168)
	EpisodePath                     // segments become shorter or longer (RFC 1191, RFC 4821)

	numEpisodes
)

var episodeNames = [numEpisodes]string{"recovery", "recovered", "timeout", "undone", "probe", "marked", "path"}

// String is one word.
func (e Episode) String() string {
	if e >= numEpisodes {
		return "unknown"
	}
	return episodeNames[e]
}

// The reasons.
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
