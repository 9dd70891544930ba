package plates

import "math"

// mul is a product that is rounded before anything is added to it.
func mul(a, b float32) float32 { return float32(a * b) }

func sqrt(x float32) float32 { return float32(math.Sqrt(float64(x))) }

// clamp keeps x between 0 and high.
func clamp(x, high float32) float32 { return min(max(x, 0), high) }

// mix goes from a (t = 0) to b (t = 1).
func mix(a, b, t float32) float32 { return a + mul(b-a, t) }

// point is a place or a vector. The picture spans 0 … 1, x to the right and y
// down.
type point struct{ x, y float32 }

func (p point) plus(q point) point        { return point{p.x + q.x, p.y + q.y} }
func (p point) minus(q point) point       { return point{p.x - q.x, p.y - q.y} }
func (p point) times(f float32) point     { return point{mul(p.x, f), mul(p.y, f)} }
func (p point) dot(q point) float32       { return mul(p.x, q.x) + mul(p.y, q.y) }
func (p point) length() float32           { return sqrt(p.dot(p)) }
func (p point) left() point               { return point{p.y, -p.x} } // by a quarter turn
func (p point) along(d point) point       { return point{p.dot(d), p.dot(point{-d.y, d.x})} }
func between(p, q point, t float32) point { return point{mix(p.x, q.x, t), mix(p.y, q.y, t)} }

// toward is the unit vector at a part (0 … 1) of a full turn. It uses the
// rational parametrization of the circle: sine and cosine may differ between
// platforms.
func toward(turn float32) point {
	quarter := int(mul(turn, 4))
	t := mul(turn, 4) - float32(quarter)
	d := 1 + mul(t, t)
	p := point{(1 - mul(t, t)) / d, mul(2, t) / d}
	for range quarter & 3 {
		p = point{-p.y, p.x}
	}
	return p
}

// colour is red, green, blue, 0 … 1.
type colour struct{ r, g, b float32 }

func (c colour) times(f float32) colour { return colour{mul(c.r, f), mul(c.g, f), mul(c.b, f)} }

func blend(a, b colour, t float32) colour {
	return colour{mix(a.r, b.r, t), mix(a.g, b.g, t), mix(a.b, b.b, t)}
}

// canvas is a picture in the making.
type canvas struct {
	size   int
	pixels []colour
	seed   uint32 // of its textures
}

func newCanvas(size int, seed uint64) *canvas {
	return &canvas{size: size, pixels: make([]colour, size*size), seed: uint32(seed >> 32)}
}

// shape tells how far a point lies outside (negative: inside), in units of the
// picture.
type shape func(p point) float32

// paint is how a shape is filled.
type paint struct {
	colour colour
	// grain and scale are the strength and the frequency of a texture.
	grain, scale float32
	// rounded darkens the rim over this width, as if the thing bulged.
	rounded float32
	clear   float32 // 0: opaque … 1: not there
}

// fill paints a shape that lies within reach of centre.
func (c *canvas) fill(centre point, reach float32, s shape, how paint) {
	n := float32(c.size)
	reach += 2 / n
	x0, x1 := c.span(centre.x-reach, centre.x+reach)
	y0, y1 := c.span(centre.y-reach, centre.y+reach)
	for y := y0; y < y1; y++ {
		row := c.pixels[y*c.size : (y+1)*c.size]
		for x := x0; x < x1; x++ {
			p := point{(float32(x) + 0.5) / n, (float32(y) + 0.5) / n}
			d := s(p)
			cover := clamp(0.5-mul(d, n), 1)
			if cover == 0 {
				continue
			}
			col := how.colour
			if how.grain > 0 {
				col = col.times(1 + mul(how.grain, c.noise(p, how.scale)))
			}
			if how.rounded > 0 && -d < how.rounded {
				col = col.times(mix(0.72, 1, max(-d, 0)/how.rounded))
			}
			row[x] = blend(row[x], col, mul(cover, 1-how.clear))
		}
	}
}

func (c *canvas) span(from, to float32) (int, int) {
	n := float32(c.size)
	return int(clamp(mul(from, n), n)), int(clamp(mul(to, n)+1, n))
}

// shadow darkens what lies below a shape, a little to its side.
func (c *canvas) shadow(centre point, reach float32, s shape, depth float32) {
	offset := point{depth, mul(depth, 1.4)}
	c.fill(centre.plus(offset), reach, func(p point) float32 { return s(p.minus(offset)) }, paint{clear: 0.65})
}

// noise is smooth noise from -1 to 1, that changes over 1/scale of the picture.
func (c *canvas) noise(p point, scale float32) float32 {
	x, y := mul(p.x, scale)+64, mul(p.y, scale)+64 // never negative within the picture
	ix, iy := int32(x), int32(y)
	fx, fy := x-float32(ix), y-float32(iy)
	fx, fy = mul(mul(fx, fx), 3-mul(2, fx)), mul(mul(fy, fy), 3-mul(2, fy))
	top := mix(c.lattice(ix, iy), c.lattice(ix+1, iy), fx)
	bottom := mix(c.lattice(ix, iy+1), c.lattice(ix+1, iy+1), fx)
	return mix(top, bottom, fy)
}

func (c *canvas) lattice(x, y int32) float32 {
	h := uint32(x)*0x9e3779b1 ^ uint32(y)*0x85ebca77 ^ c.seed
	h = (h ^ h>>15) * 0x2c1b3c6d
	h = (h ^ h>>12) * 0x297a2d39
	h ^= h >> 15
	return float32(int32(h>>8)-1<<23) / (1 << 23)
}

// Shapes.

func disc(at point, r float32) shape {
	return func(p point) float32 { return p.minus(at).length() - r }
}

// oval is an ellipse, rx along the direction and ry across. Its distances are
// right near the border, which is where they count.
func oval(at, direction point, rx, ry float32) shape {
	return func(p point) float32 {
		q := p.minus(at).along(direction)
		q = point{q.x / rx, q.y / ry}
		return mul(q.length()-1, min(rx, ry))
	}
}

// stick is a line with round ends.
func stick(a, b point, r float32) shape {
	ab := b.minus(a)
	square := max(ab.dot(ab), 1e-9)
	return func(p point) float32 {
		ap := p.minus(a)
		t := clamp(ap.dot(ab)/square, 1)
		return ap.minus(ab.times(t)).length() - r
	}
}

// box is a rectangle with rounded corners; w and h are half its sides.
func box(at, direction point, w, h, corner float32) shape {
	return func(p point) float32 {
		q := p.minus(at).along(direction)
		dx, dy := max(q.x, -q.x)-(w-corner), max(q.y, -q.y)-(h-corner)
		outside := point{max(dx, 0), max(dy, 0)}.length()
		return outside + min(max(dx, dy), 0) - corner
	}
}

// triangle has its tip at one point and its other side across another.
func triangle(tip, base point, half float32) shape {
	axis := base.minus(tip)
	long := max(axis.length(), 1e-6)
	axis = point{axis.x / long, axis.y / long}
	slope := point{long, half}
	n := slope.length()
	return func(p point) float32 {
		q := p.minus(tip).along(axis)
		side := (mul(max(q.y, -q.y), long) - mul(q.x, half)) / n
		return max(side, q.x-long)
	}
}

// ring is the border of a shape.
func ring(s shape, width float32) shape {
	return func(p point) float32 {
		d := s(p)
		return max(d, -d) - width
	}
}

// both is where two shapes overlap.
func both(a, b shape) shape { return func(p point) float32 { return max(a(p), b(p)) } }

// rough makes a shape's border uneven.
func (c *canvas) rough(s shape, by, scale float32) shape {
	return func(p point) float32 { return s(p) + mul(by, c.noise(p, scale)) }
}
