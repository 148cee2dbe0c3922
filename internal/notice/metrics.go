package notice

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// Metrics are what is known of all jobs and stores, for a file that the textfile collector of a Prometheus node exporter reads.
type Metrics struct {
	Jobs   []JobMetrics
	Copies []CopyMetrics
	Stores []StoreMetrics
}

// JobMetrics are those of a job, about its last run.
type JobMetrics struct {
	Job string
	// Run is when the last run began, Success when the last did that made a complete snapshot; zero where there was none.
	Run, Success time.Time
	// Result is one word.
	Result   string
	Duration time.Duration
	// Files to Changed count as those of a varve.Snapshot.
	Files, Bytes, Added, Skipped, Vanished, Changed int64
	// Next is when the job is due; zero for never.
	Next    time.Time
	Overdue bool
}

// CopyMetrics are those of a job in one of its stores.
type CopyMetrics struct {
	Job, Store string
	// Good is when the newest good snapshot was begun; zero where there is none.
	Good    time.Time
	Overdue bool
}

// StoreMetrics are those of a store.
type StoreMetrics struct {
	Store string
	// Used and Free are in bytes; negative where they are not known.
	Used, Free int64
	// Seen is when the store was there last, Verified and Pruned when that was done last, Proven when a rehearsed restore found all right.
	Seen, Verified, Pruned, Proven time.Time
	// Damage is how many findings the last check had.
	Damage int64
}

// metric is one metric: what it is called and means, and its value for each subject.
type metric struct {
	name, help string
	samples    []string
}

// add enters a sample. Labels are names and values in turn.
func (m *metric) add(value float64, labels ...string) {
	var b strings.Builder
	for i := 0; i < len(labels); i += 2 {
		if i > 0 {
			b.WriteByte(',')
		}
		fmt.Fprintf(&b, `%s="%s"`, labels[i], strings.NewReplacer(`\`, `\\`, "\n", `\n`, `"`, `\"`).Replace(strings.ToValidUTF8(labels[i+1], "?")))
	}
	m.samples = append(m.samples, fmt.Sprintf("%s{%s} %s", m.name, &b, strconv.FormatFloat(value, 'f', -1, 64)))
}

// when enters a time, unless it is zero.
func (m *metric) when(t time.Time, labels ...string) {
	if !t.IsZero() {
		m.add(float64(t.UnixMilli())/1000, labels...)
	}
}

// Render returns the metrics as Prometheus reads them:
//
//	varve_job_last_run_timestamp_seconds{job_name}       varve_job_last_success_timestamp_seconds{job_name}
//	varve_job_next_run_timestamp_seconds{job_name}       varve_job_last_result{job_name,result}    always 1
//	varve_job_duration_seconds{job_name}                 varve_job_overdue{job_name}               0 or 1
//	varve_job_files{job_name}  varve_job_bytes{job_name}  varve_job_added_bytes{job_name}
//	varve_job_skipped{job_name}  varve_job_vanished{job_name}  varve_job_changed{job_name}
//	varve_copy_last_good_timestamp_seconds{job_name,store}                                varve_copy_overdue{job_name,store}
//	varve_store_last_seen_timestamp_seconds{store}       varve_store_last_verify_timestamp_seconds{store}
//	varve_store_last_prune_timestamp_seconds{store}      varve_store_last_proven_timestamp_seconds{store}
//	varve_store_used_bytes{store}  varve_store_free_bytes{store}  varve_store_damage{store}
//
// What is not known is not there.
func (m *Metrics) Render() []byte {
	var b strings.Builder
	for _, one := range append(append(m.jobs(), m.copies()...), m.stores()...) {
		if len(one.samples) > 0 {
			fmt.Fprintf(&b, "# HELP %[1]s %[2]s\n# TYPE %[1]s gauge\n%[3]s\n", one.name, one.help, strings.Join(one.samples, "\n"))
		}
	}
	return []byte(b.String())
}

func (m *Metrics) jobs() []metric {
	all := []metric{
		{name: "varve_job_last_run_timestamp_seconds", help: "When the last run began."},
		{name: "varve_job_last_success_timestamp_seconds", help: "When the last run began that made a complete snapshot."},
		{name: "varve_job_next_run_timestamp_seconds", help: "When the job is due."},
		{name: "varve_job_last_result", help: "What became of the last run."},
		{name: "varve_job_overdue", help: "Whether a good snapshot is overdue."},
		{name: "varve_job_duration_seconds", help: "How long the last run took."},
		{name: "varve_job_files", help: "Files in the last snapshot."},
		{name: "varve_job_bytes", help: "Bytes of content in the last snapshot."},
		{name: "varve_job_added_bytes", help: "Bytes of content that the last snapshot stored anew."},
		{name: "varve_job_skipped", help: "What the last run could not read."},
		{name: "varve_job_vanished", help: "What went away while the last run went on."},
		{name: "varve_job_changed", help: "Files that changed while the last run read them."},
	}
	for i := range m.Jobs {
		j := &m.Jobs[i]
		label := []string{"job_name", j.Job}
		all[0].when(j.Run, label...)
		all[1].when(j.Success, label...)
		all[2].when(j.Next, label...)
		all[4].add(truth(j.Overdue), label...)
		if j.Run.IsZero() {
			continue
		}
		all[3].add(1, "job_name", j.Job, "result", j.Result)
		all[5].add(j.Duration.Seconds(), label...)
		for n, count := range [...]int64{j.Files, j.Bytes, j.Added, j.Skipped, j.Vanished, j.Changed} {
			all[6+n].add(float64(count), label...)
		}
	}
	return all
}

func (m *Metrics) copies() []metric {
	all := []metric{
		{name: "varve_copy_last_good_timestamp_seconds", help: "When the newest good snapshot of a job in a store was begun."},
		{name: "varve_copy_overdue", help: "Whether a good snapshot of a job is overdue in a store."},
	}
	for _, c := range m.Copies {
		all[0].when(c.Good, "job_name", c.Job, "store", c.Store)
		all[1].add(truth(c.Overdue), "job_name", c.Job, "store", c.Store)
	}
	return all
}

func (m *Metrics) stores() []metric {
	all := []metric{
		{name: "varve_store_last_seen_timestamp_seconds", help: "When the store was there last."},
		{name: "varve_store_last_verify_timestamp_seconds", help: "When the store was checked last."},
		{name: "varve_store_last_prune_timestamp_seconds", help: "When space was freed last."},
		{name: "varve_store_last_proven_timestamp_seconds", help: "When a rehearsed restore found everything right."},
		{name: "varve_store_used_bytes", help: "What the snapshots take."},
		{name: "varve_store_free_bytes", help: "The room that is free where the store is."},
		{name: "varve_store_damage", help: "Findings of the last check."},
	}
	for _, s := range m.Stores {
		for n, t := range [...]time.Time{s.Seen, s.Verified, s.Pruned, s.Proven} {
			all[n].when(t, "store", s.Store)
		}
		for n, size := range [...]int64{s.Used, s.Free} {
			if size >= 0 {
				all[4+n].add(float64(size), "store", s.Store)
			}
		}
		if !s.Verified.IsZero() {
			all[6].add(float64(s.Damage), "store", s.Store)
		}
	}
	return all
}

func truth(yes bool) float64 {
	if yes {
		return 1
	}
	return 0
}

// write puts the metrics into a file that everybody may read, which others find as it was or as it is to be. Without metrics the file
// stays as it is.
func (m *Metrics) write(path string) (err error) {
	if m == nil {
		return nil
	}
	f, err := os.CreateTemp(filepath.Dir(path), ".varve-*")
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, os.Remove(f.Name()))
		}
	}()
	_, err = f.Write(m.Render())
	if err == nil {
		err = f.Chmod(0o644)
	}
	if err == nil {
		err = f.Sync()
	}
	if err = errors.Join(err, f.Close()); err != nil {
		return err
	}
	return os.Rename(f.Name(), path)
}
