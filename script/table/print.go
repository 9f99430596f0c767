package table

import (
	"slices"
	"strings"

	"go.starlark.net/starlark"

	"smolsh/script/escape"
	"smolsh/script/screen"
)

const (
	between     = 2   // blanks between two columns where there is room, otherwise one
	textRoom    = 24  // fewest cells into which the last column is folded
	detailWidth = 100 // width of details in cells without a terminal
)

// visible returns the indices of the columns that are printed in the row.
func (t *Table) visible() []int {
	if t.shown != nil {
		return t.shown
	}
	columns := t.chosen()
	if t.Detail > 0 {
		columns = columns[:t.Detail]
	}
	return slices.DeleteFunc(columns, func(c int) bool { return t.Columns[c].Sparse && !t.holds(c) })
}

// holds reports whether a row has a value in column c that is not False, None or empty.
func (t *Table) holds(c int) bool {
	return slices.ContainsFunc(t.Rows, func(r *Row) bool { return bool(r.Values[c].Truth()) })
}

// String formats the table as Format does.
func (t *Table) String() string {
	text, _ := t.Format()
	return text
}

// Format formats the table in columns as wide as their content. headed is true if the first line has the columns' names.
//
// A table that is too wide for the terminal loses the columns that are empty in every row, unless a script chose them. If it is still
// too wide, one blank separates its columns, its lists have a line for each element, and the last column is folded at words. If that is
// not enough either, each row becomes a block of names and values. No value is cut.
func (t *Table) Format() (text string, headed bool) {
	room := t.env.Width()
	g := t.grid(t.visible())
	if room > 0 && g.total() > room {
		if t.shown == nil {
			g.dropEmpty()
		}
		if g.total() > room {
			g.gap = 1
		}
		if g.total() > room {
			g.divideLists(t)
		}
		g.foldLast(room)
		if g.total() > room && len(t.Rows) > 0 {
			return t.blocks(room), false
		}
	}
	var b strings.Builder
	b.WriteString(screen.Fold(g.line(g.head), room, between))
	for i, cells := range g.cells {
		b.WriteString("\n" + g.row(cells))
		if t.Detail > 0 && t.shown == nil {
			b.WriteString(t.details(t.Rows[i], room))
		}
	}
	if len(t.Rows) == 0 && t.Note != "" {
		b.WriteString("\n" + screen.Fold("("+t.Note+")", room, 1))
	}
	return b.String(), true
}

// A grid is the text of some columns of a table.
type grid struct {
	cols  []int        // indices of the table's columns
	head  []string     // their names
	right []bool       // whether a column is aligned to the right
	cells [][][]string // the lines of each cell, by row and column
	gap   int          // blanks between two columns

	widths []int // the number of cells that each column occupies, nil until measured
}

// grid returns the text of these columns, with one line in each cell.
func (t *Table) grid(cols []int) *grid {
	g := &grid{cols: slices.Clone(cols), gap: between}
	for _, c := range cols {
		g.head = append(g.head, t.Columns[c].Name)
		g.right = append(g.right, len(t.Rows) > 0 && !t.Columns[c].Left && !slices.ContainsFunc(t.Rows, func(r *Row) bool { return !numeric(r.Values[c]) }))
	}
	for _, r := range t.Rows {
		row := make([][]string, len(cols))
		for j, c := range cols {
			row[j] = []string{t.cell(r, c)}
		}
		g.cells = append(g.cells, row)
	}
	return g
}

// numeric reports whether a value is a number or missing.
func numeric(v starlark.Value) bool {
	switch v.(type) {
	case starlark.Int, starlark.Float, starlark.NoneType:
		return true
	}
	return false
}

// width returns the number of cells that column j occupies.
func (g *grid) width(j int) int {
	if g.widths == nil {
		g.widths = make([]int, len(g.cols))
		for k := range g.cols {
			g.widths[k] = g.measure(k)
		}
	}
	return g.widths[j]
}

// measure returns the width of the widest line in column j.
func (g *grid) measure(j int) int {
	n := screen.Width(g.head[j])
	for _, row := range g.cells {
		for _, l := range row[j] {
			n = max(n, screen.Width(l))
		}
	}
	return n
}

// total returns the number of cells that the widest line occupies.
func (g *grid) total() int {
	n := g.gap * (len(g.cols) - 1)
	for j := range g.cols {
		n += g.width(j)
	}
	return n
}

// dropEmpty removes the columns without text in any row, except the first.
func (g *grid) dropEmpty() {
	g.widths = nil
	for j := len(g.cols) - 1; j > 0 && len(g.cells) > 0; j-- {
		if slices.ContainsFunc(g.cells, func(row [][]string) bool { return row[j][0] != "" }) {
			continue
		}
		g.cols, g.head, g.right = slices.Delete(g.cols, j, j+1), slices.Delete(g.head, j, j+1), slices.Delete(g.right, j, j+1)
		for i := range g.cells {
			g.cells[i] = slices.Delete(g.cells[i], j, j+1)
		}
	}
}

// divideLists puts each element of a list into a line of its own.
func (g *grid) divideLists(t *Table) {
	g.widths = nil
	for i, r := range t.Rows {
		for j, c := range g.cols {
			if _, ok := r.Values[c].(*starlark.List); ok && t.Columns[c].Show == nil {
				g.cells[i][j] = strings.SplitAfter(g.cells[i][j][0], ",")
			}
		}
	}
}

// foldLast folds the text of the last column at blanks, so that the grid is not wider than room, if that leaves the column enough of it.
func (g *grid) foldLast(room int) {
	last := len(g.cols) - 1
	left := room - (g.total() - g.width(last))
	if left >= g.width(last) || left < textRoom || g.right[last] {
		return
	}
	for _, row := range g.cells {
		var lines []string
		for _, l := range row[last] {
			lines = append(lines, screen.Lines(l, left, left)...)
		}
		row[last] = lines
	}
	g.widths = nil
}

// row formats the cells of a row, whose lines stand below each other.
func (g *grid) row(cells [][]string) string {
	height := 1
	for _, c := range cells {
		height = max(height, len(c))
	}
	lines := make([]string, height)
	for n := range lines {
		texts := make([]string, len(cells))
		for j, c := range cells {
			if n < len(c) {
				texts[j] = c[n]
			}
		}
		lines[n] = g.line(texts)
	}
	return strings.Join(lines, "\n")
}

// line formats a line, which has a text for each column.
func (g *grid) line(texts []string) string {
	var b strings.Builder
	for j, s := range texts {
		pad := strings.Repeat(" ", max(0, g.width(j)-screen.Width(s)))
		if j > 0 {
			b.WriteString(strings.Repeat(" ", g.gap))
		}
		if g.right[j] {
			b.WriteString(pad + s)
		} else {
			b.WriteString(s + pad)
		}
	}
	return strings.TrimRight(b.String(), " ")
}

// details formats the columns from detail on as name:value, in lines no longer than the terminal is wide.
func (t *Table) details(r *Row, width int) string {
	const indent = "      "
	if width <= 0 {
		width = detailWidth
	}
	var words []string
	for c := t.Detail; c < len(t.Columns); c++ {
		if cell := t.cell(r, c); cell != "" {
			words = append(words, FieldName(t.Columns[c].Name)+":"+cell)
		}
	}
	if words == nil {
		return ""
	}
	return "\n" + screen.Hang(indent, strings.Join(words, " "), width, len(indent))
}

// blocks formats each row as a block of names and values, those of all columns that hold something. The values of a column stand
// below each other in all blocks. A block's first line begins at the left edge, its others do not.
func (t *Table) blocks(room int) string {
	const indent = "  "
	columns := t.chosen()
	if t.shown == nil {
		columns = slices.DeleteFunc(columns, func(c int) bool { return t.Columns[c].Sparse && !t.holds(c) })
	}
	g := t.grid(columns)
	if t.shown == nil {
		g.dropEmpty()
	}
	for _, row := range g.cells {
		for j := range row {
			if row[j][0] != "" {
				row[j][0] = FieldName(g.head[j]) + ": " + row[j][0]
			}
		}
	}
	clear(g.head)
	g.widths = nil
	lines := g.flow(room - len(indent))
	var out []string
	for _, row := range g.cells {
		begin := ""
		for _, columns := range lines {
			text := begin
			for _, j := range columns {
				text += screen.Pad(row[j][0], g.width(j)+between)
			}
			if text = strings.TrimRight(text, " "); text != "" {
				out = append(out, screen.Fold(text, room, len(indent)))
			}
			begin = indent
		}
	}
	return strings.Join(out, "\n")
}

// flow distributes the columns over lines of at most room cells. A column that is wider has a line of its own.
func (g *grid) flow(room int) [][]int {
	var lines [][]int
	used := 0
	for j := range g.cols {
		n := g.width(j)
		if lines == nil || used+between+n > room {
			lines, used = append(lines, nil), -between
		}
		lines[len(lines)-1] = append(lines[len(lines)-1], j)
		used += between + n
	}
	return lines
}

// cell formats a row's value in column c in one line without control characters.
func (t *Table) cell(r *Row, c int) string {
	text := escape.Controls(t.text(r.Values[c], t.Columns[c].Show))
	return strings.NewReplacer("\n", `\n`, "\t", `\t`).Replace(text)
}

// text formats a value as show does, or as print() does.
func (t *Table) text(v starlark.Value, show func(starlark.Value) string) string {
	if show != nil && v != starlark.None {
		return show(v)
	}
	switch v := v.(type) {
	case starlark.NoneType:
		return ""
	case starlark.String:
		return string(v)
	case *starlark.List:
		var parts []string
		for i := range v.Len() {
			s, _ := starlark.AsString(v.Index(i))
			parts = append(parts, s)
		}
		return strings.Join(parts, ",")
	}
	return v.String()
}
