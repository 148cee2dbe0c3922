package main

import (
	"fmt"
	"sync"
	"time"
)

// meter counts what a command got done.
type meter struct {
	now   func() time.Time
	start time.Time

	mu    sync.Mutex
	files int64
	bytes int64
	// goalFiles and goalBytes are what there may be in all; 0 where nobody knows.
	goalFiles, goalBytes int64
}

func (a *app) newMeter() *meter { return &meter{now: a.now, start: a.now()} }

// add counts entries and bytes.
func (m *meter) add(files, bytes int64) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.files += files
	m.bytes += bytes
}

// expect says what there may be in all.
func (m *meter) expect(files, bytes int64) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.goalFiles, m.goalBytes = files, bytes
}

// elapsed returns the time since the start; at least a millisecond, so that rates are finite.
func (m *meter) elapsed() time.Duration { return max(m.now().Sub(m.start), time.Millisecond) }

// text returns one line about the progress.
func (m *meter) text() string {
	m.mu.Lock()
	defer m.mu.Unlock()
	elapsed := m.elapsed()
	line := fmt.Sprintf("%d files, %s, %s/s, %s", m.files, sizeText(m.bytes), sizeText(rate(m.bytes, elapsed)), durationText(elapsed))
	if left, ok := m.left(elapsed); ok {
		line += ", " + durationText(left) + " left"
	}
	return line
}

// rate returns bytes per second.
func rate(bytes int64, d time.Duration) int64 { return int64(float64(bytes) / d.Seconds()) }

// guessAfter is how long a command runs before the time left is guessed.
const guessAfter = 2 * time.Second

// left guesses the time left from what there may be in all: files and bytes count alike.
func (m *meter) left(elapsed time.Duration) (time.Duration, bool) {
	if elapsed < guessAfter || m.goalFiles <= 0 {
		return 0, false
	}
	part := min(float64(m.files)/float64(m.goalFiles), 1)
	if m.goalBytes > 0 {
		part = (part + min(float64(m.bytes)/float64(m.goalBytes), 1)) / 2
	}
	if part < 0.01 {
		return 0, false
	}
	return time.Duration(float64(elapsed) * (1 - part) / part), true
}

// jsonProgress is the progress in JSON.
type jsonProgress struct {
	Event     string  `json:"event"`
	Files     int64   `json:"files"`
	Bytes     int64   `json:"bytes"`
	GoalFiles int64   `json:"goal_files,omitempty"`
	GoalBytes int64   `json:"goal_bytes,omitempty"`
	Seconds   float64 `json:"seconds"`
}

func (m *meter) json() jsonProgress {
	m.mu.Lock()
	defer m.mu.Unlock()
	return jsonProgress{"progress", m.files, m.bytes, m.goalFiles, m.goalBytes, m.elapsed().Seconds()}
}

const (
	// redraw is the time between two redraws of the line on a terminal, and between two flushes of the output.
	redraw = 100 * time.Millisecond
	// ticksPerLine is how many redraws there are to a line of JSON.
	ticksPerLine = 10
)

// watch calls f and shows meanwhile how far it is: on a terminal as a line that is drawn again, with --json and --verbose as an
// object a second, and on request of a signal as a line that stays.
func (a *app) watch(m *meter, f func() error) error {
	stop := make(chan struct{})
	var wg sync.WaitGroup
	wg.Go(func() { a.show(m, stop) })
	defer func() {
		close(stop)
		wg.Wait()
		a.screen.clear()
	}()
	return f()
}

// show shows the meter until stop is closed.
func (a *app) show(m *meter, stop <-chan struct{}) {
	ticker := time.NewTicker(redraw)
	defer ticker.Stop()
	for tick := 1; ; tick++ {
		select {
		case <-stop:
			return
		case <-a.signals:
			a.screen.line(m.text())
		case <-ticker.C:
			a.step(m, tick)
		}
	}
}

// step shows the meter once.
func (a *app) step(m *meter, tick int) {
	switch {
	case a.json && a.verbose > 0 && tick%ticksPerLine == 0:
		a.emitEvent(m.json())
	case a.errTTY && !a.json && !a.quiet:
		a.screen.status(m.text())
	}
	_ = a.out.Flush() // the error stays and is found at the end
}
