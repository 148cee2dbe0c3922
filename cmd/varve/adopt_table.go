package main

import (
	"fmt"
	"strings"
	"text/tabwriter"
	"time"

	"varve"
	"varve/internal/adopt"
	"varve/internal/retention"
)

// jsonFound is a directory that was found, in JSON.
type jsonFound struct {
	Event string `json:"event"`
	jsonPath
	Time      time.Time `json:"time"`
	From      string    `json:"time_from"`
	Series    string    `json:"series,omitempty"`
	Taken     bool      `json:"taken"`
	Condition string    `json:"condition"`
	Why       string    `json:"why,omitempty"`
}

// show tells what there is: all of it on a terminal and with -n, else what stays where it is.
func (k *adopting) show(h *findings) error {
	a := k.app
	switch {
	case a.json:
		return k.showJSON(h)
	case k.dryRun || a.talks():
		return k.table(h)
	}
	for _, f := range h.left {
		a.warn("stays where it is: %s: %s: %s", quote(f.Path), f.Condition, plain(f.Why))
	}
	return nil
}

func (k *adopting) showJSON(h *findings) error {
	for i := range h.take {
		t := &h.take[i]
		j := found(&t.Found, t.name())
		j.Series, j.Taken = t.series, true
		if err := k.app.emit(j); err != nil {
			return err
		}
	}
	for i := range h.left {
		if err := k.app.emit(found(&h.left[i], h.left[i].Path)); err != nil {
			return err
		}
	}
	return nil
}

func found(f *adopt.Found, name string) jsonFound {
	return jsonFound{Event: "found", jsonPath: rawPath(name), Time: f.Time, From: f.From.String(), Condition: f.Condition.String(), Why: f.Why}
}

// table prints what was found, the oldest first, and then what stays.
func (k *adopting) table(h *findings) error {
	w := tabwriter.NewWriter(k.app.out, 0, 0, 2, ' ', 0)
	fmt.Fprint(w, "TIME\tFOUND\tSERIES\tSTATE\n")
	for i := range h.take {
		t := &h.take[i]
		state := ""
		if t.Condition != adopt.Whole {
			state = t.Condition.String() + ": " + plain(t.Why)
		}
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\n", k.app.timeText(t.Time), quote(t.name()), quote(t.series), state)
	}
	for _, f := range h.left {
		fmt.Fprintf(w, "%s\t%s\t-\tstays, %s: %s\n", k.app.timeText(f.Time), quote(f.Path), f.Condition, plain(f.Why))
	}
	return w.Flush()
}

// tell tells of a snapshot that was made of something called name.
func (k *adopting) tell(text, name string, s varve.Snapshot) error {
	a := k.app
	if a.json {
		return a.emit(struct {
			Event string `json:"event"`
			jsonPath
			varve.Snapshot
		}{"adopt", rawPath(name), lists(s)})
	}
	if a.talks() {
		a.printf("%s %s as %s of %s: %s, %s, %s new\n", text, quote(name), s.ID.Short(), quote(s.Series),
			count(s.Files, "file", "files"), sizeText(s.Bytes), sizeText(s.Added))
	}
	return nil
}

// tellPolicy prints the policy that keeps what rsnapshot's levels kept.
func (k *adopting) tellPolicy(rs *adopt.Config) error {
	if rs == nil {
		return nil
	}
	policy, left := rs.Policy()
	flags := policyFlags(policy)
	switch a := k.app; {
	case a.json:
		return a.emit(struct {
			Event string   `json:"event"`
			Flags []string `json:"flags"`
		}{"policy", flags})
	case k.dryRun || a.talks():
		a.printf("what rsnapshot keeps by its levels, by time: varve forget %s\n", strings.Join(flags, " "))
		for _, l := range left {
			a.printf("no rule is coarse enough for: retain %s %d\n", plain(l.Name), l.Count)
		}
	}
	return nil
}

// policyFlags returns the flags of varve forget that stand for the counts of a policy.
func policyFlags(p retention.Policy) []string {
	flags := []string{}
	for i, n := range [...]int{p.Last, p.Hourly, p.Daily, p.Weekly, p.Monthly, p.Yearly} {
		if n > 0 {
			name := [...]string{"last", "hourly", "daily", "weekly", "monthly", "yearly"}[i]
			flags = append(flags, fmt.Sprintf("--keep-%s=%d", name, n))
		}
	}
	return flags
}
