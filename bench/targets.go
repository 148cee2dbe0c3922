package main

import (
	"fmt"
	"slices"
	"strings"
)

// figure is a column of the report that a target can be about.
type figure string

const (
	wall   figure = "wall"
	cpu    figure = "cpu"
	memory figure = "peak"
	disk   figure = "space"
)

// best stands for all programs that keep vaults, varve aside: of every figure it has the least.
const best = "best"

// target is a ratio to reach: a figure of varve divided by that of another program.
type target struct {
	sets string // the names of the sets it is for
	step step
	peer string // its name, or best
	of   figure
	most float64
}

// ratioTargets are the ratios to reach.
var ratioTargets = [...]target{
	{"A", stepFirst, "rsync", wall, 0.5},
	{"B", stepFirst, "rsync", wall, 0.8},
	{"C", stepFirst, "rsync", wall, 0.8},
	{"D", stepFirst, "rsync", wall, 0.6},
	{"AD", stepUnchanged, "rsync", wall, 0.2},
	{"AD", stepUnchanged, "cp-al", wall, 0.5},
	{"A", stepChange, "rsync", wall, 0.25},
	{"A", stepChange, "cp-al", wall, 0.5},
	{"AB", stepRestore, "rsync", wall, 0.4},
	{"ABCD", stepForget, "rsync", wall, 0.65},
	{"ABCD", stepFirst, "rsync", disk, 1.01},
	{"ABCD", stepChange, "rsync", disk, 1.01},

	{"A", stepFirst, "kopia", wall, 0.5},
	{"A", stepFirst, "restic", wall, 0.3},
	{"A", stepFirst, "borg", wall, 0.3},
	{"B", stepFirst, best, wall, 0.75},
	{"C", stepFirst, best, wall, 0.7},
	{"D", stepFirst, best, wall, 0.3},
	{"A", stepUnchanged, "kopia", wall, 0.2},
	{"A", stepUnchanged, "restic", wall, 0.08},
	{"D", stepUnchanged, "kopia", wall, 0.4},
	{"D", stepUnchanged, "restic", wall, 0.1},
	{"A", stepChange, "kopia", wall, 0.3},
	{"A", stepChange, "restic", wall, 0.15},
	{"ABCD", stepList, best, wall, 0.1},
	{"A", stepRestore, best, wall, 0.3},
	{"B", stepRestore, best, wall, 0.5},
	{"ABCD", stepVerify, best, wall, 0.4},
	{"ABCD", stepForget, best, wall, 0.5},
	{"ABCD", stepFirst, best, disk, 0.92},
	{"ABCD", stepChange, best, disk, 0.92},
	{"ABCD", stepFirst, "restic", memory, 1},
	{"ABCD", stepFirst, "borg", memory, 1},
}

// pullTargets are the ratios of wall time to reach in every step of a pull over ssh. It matters for them whether varve is at both ends.
var pullTargets = [...]struct {
	ours, peer string
	most       float64
}{
	{treeSFTP, rsyncSSH, 1.3},
	{treeSSH, rsyncSSH, 1},
	{vaultSFTP, rsyncSSH, 1.3},
	{vaultSSH, rsyncSSH, 1},
	{treeSFTP, sshfsRdiff, 0.05},
	{treeSSH, sshfsRdiff, 0.05},
	{vaultSFTP, sshfsRdiff, 0.05},
	{vaultSSH, sshfsRdiff, 0.05},
}

// targetsOf returns the targets for one row and one of our own.
func targetsOf(set string, st step, peer, ours string) []target {
	var found []target
	for _, t := range ratioTargets {
		if strings.Contains(t.sets, set) && t.step == st && t.peer == peer {
			found = append(found, t)
		}
	}
	for _, t := range pullTargets {
		if set == jobPull && t.ours == ours && t.peer == peer {
			found = append(found, target{set, st, peer, wall, t.most})
		}
	}
	return found
}

// mostMemory is the peak that varve may reach in any step, in bytes: as a tree, and as a vault.
const (
	mostMemory      = 256 << 20
	mostMemoryVault = 300 << 20
)

// verdicts says which of the targets are reached; ratios are varve ÷ peer by figure.
func verdicts(targets []target, ratios map[figure]float64) string {
	var words []string
	for _, t := range targets {
		word := fmt.Sprintf("%s ≤ %.3g", t.of, t.most)
		if ratio, measured := ratios[t.of]; measured {
			word += reached(ratio <= t.most)
		}
		words = append(words, word)
	}
	return strings.Join(words, ", ")
}

// memoryVerdict says whether one of our own stays within its memory.
func memoryVerdict(name string, peak float64) string {
	most := mostMemory
	if isVault(name) {
		most = mostMemoryVault
	}
	return fmt.Sprintf("%s ≤ %d MiB%s", memory, most>>20, reached(peak <= float64(most)))
}

func reached(yes bool) string {
	if yes {
		return " yes"
	}
	return " NO"
}

// median returns the middle of values, or the mean of the two in the middle; 0 where there are none.
func median(values []float64) float64 {
	n := len(values)
	if n == 0 {
		return 0
	}
	sorted := slices.Sorted(slices.Values(values))
	return (sorted[(n-1)/2] + sorted[n/2]) / 2
}
