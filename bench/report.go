package main

import (
	"fmt"
	"io"
	"os"
	"runtime"
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
		if isOurs(peer) || oursBeside(peer) != ourVault {
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
	fmt.Fprintf(w, "medians of %d rounds; seconds, MB; ratios are varve of the same kind, tree or vault, ÷ program\n\n", r.rounds)
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, "step\tprogram\twall s\tcpu s\tpeak MB\tspace MB\twall\tcpu\tpeak\tspace\tto reach")
	for _, st := range r.set.steps() {
		label := string(st)
		for _, peer := range r.rows(st) {
			row, ok := r.row(st, peer)
			if !ok {
				row = "failed" + strings.Repeat("\t", 2*len(figures))
			}
			fmt.Fprintf(t, "%s\t%s\t%s\n", label, peer, row)
			label = ""
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
	_, err := fmt.Fprintln(w, "note: time is what a program takes until it ends, whether or not it has its data on the disk by then; peak is its largest process")
	return err
}

// row returns the columns after the names; false where there is nothing to say.
func (r *results) row(st step, peer string) (string, bool) {
	m, ok := r.of(st, peer)
	if !ok {
		return "", false
	}
	ours, haveOurs := r.medians(st, oursBeside(peer))
	ratios := map[figure]float64{}
	var numbers, quotients []string
	for _, f := range figures {
		number, quotient := "", ""
		if v, ok := m[f]; ok {
			by, digits := unit(f)
			number = fmt.Sprintf("%.*f", digits, v/by)
			if haveOurs && !isOurs(peer) && v > 0 {
				ratios[f] = ours[f] / v
				quotient = fmt.Sprintf("%.3f", ratios[f])
			}
		}
		numbers, quotients = append(numbers, number), append(quotients, quotient)
	}
	verdict := verdicts(r.set.name, st, peer, ratios)
	if isOurs(peer) {
		verdict = memoryVerdict(peer, m[memory])
	}
	return strings.Join(append(append(numbers, quotients...), verdict), "\t"), true
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
