package job

import (
	"slices"

	"varve/internal/config"
)

// Listeners returns the notices that are for an event: those that want such events, of this job.
func Listeners(c *config.Config, e Event) []*config.Notice {
	var found []*config.Notice
	for _, n := range c.Notices {
		if slices.Contains(n.On, e.Kind) && (len(n.Jobs) == 0 || slices.Contains(n.Jobs, e.Job.Name)) {
			found = append(found, n)
		}
	}
	return found
}
