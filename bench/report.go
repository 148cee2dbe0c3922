package main

import (
	"fmt"
	"io"
	"os"
	"runtime"
	"slices"
	"strings"
	"text/tabwriter"
)

// sample is what one step of one program took in one round.
type sample struct {
	step  step
	peer  string
	usage usage
	space int64 // bytes in use on its file system after the step
}

// results is what is known of one data set.
type results struct {
	set     set
	size    census // before the first change
	change  string // what the last change did
	rounds  int
	peers   []string
	samples []sample
	notes   []string
	late    map[string]bool // programs that took longer than they may
}

func (r *results) add(s sample) { r.samples = append(r.samples, s) }

// medians returns the medians of a step of one program by figure: seconds and bytes. False where it has no samples.
func (r *results) medians(st step, peer string) (map[figure]float64, bool) {
	values := map[figure][]float64{}
	for _, s := range r.samples {
		if s.step == st && s.peer == peer {
			values[wall] = append(values[wall], s.usage.Wall.Seconds())
			values[cpu] = append(values[cpu], s.usage.CPU.Seconds())
			values[memory] = append(values[memory], float64(s.usage.Memory))
			values[disk] = append(values[disk], float64(s.space))
		}
	}
	m := map[figure]float64{}
	for f, v := range values {
		m[f] = median(v)
	}
	if !st.writes() { // what is in use may then be store and restored files together
		delete(m, disk)
	}
	return m, len(values) > 0
}

// least returns, for every figure of a step, the least of the medians of the programs that best stands for. False where there are none.
func (r *results) least(st step) (map[figure]float64, bool) {
	least := map[figure]float64{}
	for _, peer := range r.peers {
		if isOurs(peer) || !isVault(peer) || r.set.job.far != noEnd {
			continue
		}
		m, _ := r.medians(st, peer)
		for f, v := range m {
			if old, ok := least[f]; !ok || v < old {
				least[f] = v
			}
		}
	}
	return least, len(least) > 0
}

// of returns the medians of a step of one program, or the least of all where it is best.
func (r *results) of(st step, peer string) (map[figure]float64, bool) {
	if peer == best {
		return r.least(st)
	}
	return r.medians(st, peer)
}

// rows returns the programs that a step has rows for.
func (r *results) rows(st step) []string {
	var names []string
	for _, peer := range r.peers {
		if has(peer, st) {
			names = append(names, peer)
		}
	}
	if _, ok := r.least(st); ok {
		names = append(names, best)
	}
	return names
}

// figures are the columns in their order.
var figures = [...]figure{wall, cpu, memory, disk}

// unit is what a figure is divided by for printing, and how many digits follow the point.
func unit(f figure) (by float64, digits int) {
	if f == wall || f == cpu {
		return 1, 2
	}
	return 1e6, 1
}

// print writes the report on one data set.
func (r *results) print(w io.Writer) error {
	fmt.Fprintf(w, "\nSet %s, %s: %v\n", r.set.name, r.set.about, r.size)
	if r.change != "" {
		fmt.Fprintf(w, "change: %s\n", r.change)
	}
	fmt.Fprintf(w, "medians of %d rounds; seconds, MB; ratios are %s ÷ program\n\n", r.rounds, r.whose())
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, "step\tprogram\twall s\tcpu s\tpeak MB\tspace MB\twall\tcpu\tpeak\tspace\tto reach")
	for _, st := range r.set.steps() {
		label := string(st)
		for _, peer := range r.rows(st) {
			for _, row := range r.lines(st, peer) {
				fmt.Fprintf(t, "%s\t%s\n", label, row)
				label = ""
			}
		}
	}
	if err := t.Flush(); err != nil {
		return err
	}
	for _, note := range r.notes {
		fmt.Fprintln(w, "note:", note)
	}
	if _, ok := r.least(stepFirst); ok {
		fmt.Fprintln(w, "note: best has the least of the other vaults in every figure; settings and levels of compression differ")
	}
	if r.set.job.far != noEnd {
		fmt.Fprintln(w, "note: cpu and peak are those of this side, without an sshfs that serves a mount; the far side and the long line share its cores")
	}
	_, err := fmt.Fprintln(w, "note: time is what a program takes until it ends, whether or not it has its data on the disk by then; peak is its largest process")
	return err
}

// whose says which of our own the ratios are about.
func (r *results) whose() string {
	if r.set.job.far == noEnd {
		return "varve of the same kind, tree or vault,"
	}
	return "the varve that the last column begins with"
}

// beside returns those of our own that a program is compared with here; where none takes part, one that could.
func (r *results) beside(peer string) []string {
	all := oursBeside(peer)
	here := slices.DeleteFunc(slices.Clone(all), func(ours string) bool { return !slices.Contains(r.peers, ours) })
	if len(here) == 0 {
		return all[:1]
	}
	return here
}

// lines returns the lines of a program from its name on: one for each of our own that it is compared with.
func (r *results) lines(st step, peer string) []string {
	m, ok := r.of(st, peer)
	if !ok {
		why := "failed"
		if r.late[peer] {
			why = "too long"
		}
		return []string{peer + "\t" + why + strings.Repeat("\t", 2*len(figures))}
	}
	if isOurs(peer) {
		return []string{strings.Join([]string{peer, numbers(m), quotients(nil), memoryVerdict(peer, m[memory])}, "\t")}
	}
	name, figures, beside := peer, numbers(m), r.beside(peer)
	var all []string
	for _, ours := range beside {
		ratios := r.ratios(st, m, ours)
		verdict := verdicts(targetsOf(r.set.name, st, peer, ours), ratios)
		if r.set.job.far != noEnd {
			verdict = strings.TrimSpace(ours + " " + verdict)
		}
		all = append(all, strings.Join([]string{name, figures, quotients(ratios), verdict}, "\t"))
		name, figures = "", numbers(nil)
	}
	return all
}

// ratios returns the figures of one of our own divided by those of a program, where both are known.
func (r *results) ratios(st step, of map[figure]float64, ours string) map[figure]float64 {
	m, ok := r.medians(st, ours)
	ratios := map[figure]float64{}
	for _, f := range figures {
		if v := of[f]; ok && v > 0 {
			ratios[f] = m[f] / v
		}
	}
	return ratios
}

// numbers writes figures in the columns for them, and nothing for one that is not known; quotients does it with ratios.
func numbers(m map[figure]float64) string {
	return columns(m, func(f figure, v float64) string {
		by, digits := unit(f)
		return fmt.Sprintf("%.*f", digits, v/by)
	})
}

func quotients(m map[figure]float64) string {
	return columns(m, func(_ figure, v float64) string { return fmt.Sprintf("%.3f", v) })
}

func columns(m map[figure]float64, write func(figure, float64) string) string {
	var words [len(figures)]string
	for i, f := range figures {
		if v, ok := m[f]; ok {
			words[i] = write(f, v)
		}
	}
	return strings.Join(words[:], "\t")
}

// machine describes the machine in a line, as far as it tells.
func machine() string {
	words := []string{fmt.Sprintf("%d cores", runtime.NumCPU()), runtime.GOOS + "/" + runtime.GOARCH}
	if kernel, err := os.ReadFile("/proc/sys/kernel/osrelease"); err == nil {
		words = append(words, "kernel "+strings.TrimSpace(string(kernel)))
	}
	for _, at := range [...][2]string{{"/proc/cpuinfo", "model name"}, {"/proc/meminfo", "MemTotal"}} {
		if value := lookUp(at[0], at[1]); value != "" {
			words = append(words, value)
		}
	}
	return strings.Join(words, ", ")
}

// lookUp returns the value of the first line "key : value" in a file; empty where there is none.
func lookUp(file, key string) string {
	text, err := os.ReadFile(file)
	if err != nil {
		return ""
	}
	for line := range strings.Lines(string(text)) {
		if k, v, ok := strings.Cut(line, ":"); ok && strings.TrimSpace(k) == key {
			return strings.TrimSpace(v)
		}
	}
	return ""
}
