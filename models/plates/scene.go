package plates

// spot is where a dish is served: its middle, the radius that it may fill, and
// whether that is a bowl.
type spot struct {
	at     point
	radius float32
	bowl   bool
}

func drawScene(c *canvas, r *random, kind int) {
	drawTable(c, r)
	s := spot{at: point{0.5 + r.between(-0.09, 0.09), 0.5 + r.between(-0.09, 0.09)}, radius: r.between(0.29, 0.46)}
	serve(c, r, &s, kind)
	dishes[kind](c, r, s)
	for range r.whole(0, 4) {
		garnish(c, r, s)
	}
	if r.chance(0.35) {
		cutlery(c, r, s)
	}
	light(c, r)
}

func drawTable(c *canvas, r *random) {
	base := r.near(pick(r, colour{0.55, 0.38, 0.22}, colour{0.75, 0.6, 0.42}, colour{0.3, 0.2, 0.15},
		colour{0.85, 0.84, 0.8},
		colour{0.4, 0.42, 0.46}, colour{0.25, 0.4, 0.5}, colour{0.6, 0.2, 0.2}, colour{0.3, 0.5, 0.35}), 0.3)
	other := r.near(base, 0.35)
	pattern, direction := r.whole(0, 3), r.direction()
	frequency, grain := r.between(3, 14), r.between(0.02, 0.15)
	n := float32(c.size)
	for i := range c.pixels {
		p := point{(float32(i%c.size) + 0.5) / n, (float32(i/c.size) + 0.5) / n}
		q := p.along(direction)
		col := base
		switch pattern {
		case 1: // planks
			if int(mul(q.x+4, frequency))%2 == 0 {
				col = other
			}
			q = point{q.x, mul(q.y, 0.15)}
		case 2: // checked cloth
			if int(mul(q.x+4, frequency))%2 == int(mul(q.y+4, frequency))%2 {
				col = other
			}
		case 3: // stone
			col = blend(base, other, clamp(mul(c.noise(q, frequency), 2)+0.5, 1))
		}
		c.pixels[i] = col.times(1 + mul(grain, c.noise(q, 60)))
	}
}

// serve draws what the dish lies on. Every kind may come on nearly everything,
// or the plate would give the answer away.
func serve(c *canvas, r *random, s *spot, kind int) {
	ware := r.whole(0, 9)
	liquid := Kinds[kind] == "soup"
	s.bowl = liquid || ware >= 7
	col := r.near(pick(r, colour{0.95, 0.95, 0.93}, colour{0.92, 0.9, 0.84}, colour{0.85, 0.87, 0.9},
		colour{0.25, 0.27, 0.3},
		colour{0.35, 0.5, 0.65}, colour{0.7, 0.45, 0.35}, colour{0.6, 0.7, 0.6}), 0.12)
	switch {
	case s.bowl:
		round := disc(s.at, s.radius)
		c.shadow(s.at, s.radius, round, 0.02)
		c.fill(s.at, s.radius, round, paint{colour: col})
		s.radius = mul(s.radius, r.between(0.84, 0.92))
		c.fill(s.at, s.radius, disc(s.at, s.radius), paint{colour: col.times(0.8), rounded: 0.05})
	case ware == 0: // straight from the table
	case ware <= 2:
		d := r.direction()
		board := box(s.at, d, mul(s.radius, 1.2), mul(s.radius, 0.95), 0.03)
		c.shadow(s.at, mul(s.radius, 1.6), board, 0.015)
		c.fill(s.at, mul(s.radius, 1.6), board, paint{colour: r.near(colour{0.72, 0.54, 0.34}, 0.25), grain: 0.1,
			scale: r.between(8, 30)})
	default:
		c.shadow(s.at, s.radius, disc(s.at, s.radius), 0.02)
		c.fill(s.at, s.radius, disc(s.at, s.radius), paint{colour: col, rounded: 0.015})
		inner := mul(s.radius, r.between(0.68, 0.8))
		c.fill(s.at, s.radius, ring(disc(s.at, inner), 0.004), paint{colour: col.times(0.85)})
		if r.chance(0.3) {
			band := r.near(pick(r, colour{0.2, 0.3, 0.6}, colour{0.6, 0.2, 0.2}, colour{0.2, 0.45, 0.3},
				colour{0.7, 0.6, 0.3}), 0.2)
			c.fill(s.at, s.radius, ring(disc(s.at, mul(s.radius, 0.93)), r.between(0.004, 0.014)), paint{colour: band})
		}
		s.radius = mul(inner, r.between(0.95, 1.15))
	}
}

// garnish puts one small thing beside or upon the dish; most of them are what
// another kind is made of.
func garnish(c *canvas, r *random, s spot) {
	at := s.at.plus(r.direction().times(mul(s.radius, r.between(0.55, 1.05))))
	size := mul(s.radius, r.between(0.1, 0.2))
	switch r.whole(0, 8) {
	case 0:
		leaf(c, r, at, size, r.near(colour{0.25, 0.5, 0.18}, 0.3))
	case 1:
		tomato(c, r, at, size)
	case 2:
		cucumber(c, r, at, size)
	case 3: // lemon
		c.fill(at, size, disc(at, size), paint{colour: colour{0.93, 0.82, 0.25}})
		c.fill(at, size, disc(at, mul(size, 0.8)), paint{colour: colour{0.97, 0.92, 0.6}, grain: 0.1, scale: 40})
	case 4: // peas
		for range r.whole(2, 5) {
			p := r.within(at, mul(size, 1.4))
			c.fill(p, mul(size, 0.35), disc(p, mul(size, 0.35)),
				paint{colour: r.near(colour{0.4, 0.65, 0.2}, 0.15), rounded: mul(size, 0.3)})
		}
	case 5: // herbs
		for range r.whole(4, 12) {
			p := r.within(s.at, s.radius)
			c.fill(p, 0.012, oval(p, r.direction(), 0.012, 0.006), paint{colour: r.near(colour{0.2, 0.45, 0.15}, 0.3)})
		}
	case 6: // a spoonful of sauce
		sauce := r.near(pick(r, colour{0.7, 0.15, 0.08}, colour{0.95, 0.92, 0.85}, colour{0.35, 0.2, 0.1},
			colour{0.85, 0.65, 0.15}), 0.15)
		c.fill(at, mul(size, 1.3), c.rough(disc(at, size), mul(size, 0.3), 20), paint{colour: sauce, rounded: 0.01})
	case 7:
		grains(c, r, spot{at: at, radius: mul(size, 1.3)}, 14, r.near(colour{0.95, 0.93, 0.86}, 0.06))
	case 8:
		fry(c, r, at, mul(s.radius, 0.3))
	}
}

func cutlery(c *canvas, r *random, s spot) {
	side := pick(r, float32(-1), 1)
	x := s.at.x + mul(side, s.radius+r.between(0.08, 0.16))
	from := point{x, r.between(0.1, 0.3)}
	to := point{x + r.between(-0.08, 0.08), r.between(0.75, 0.95)}
	metal := paint{colour: r.near(colour{0.7, 0.7, 0.72}, 0.25)}
	c.fill(between(from, to, 0.5), 0.6, stick(from, to, 0.011), metal)
	switch r.whole(0, 2) {
	case 0: // spoon
		c.fill(from, 0.06, disc(from, 0.04), metal)
	case 1: // fork
		for i := range 3 {
			tine := point{mul(float32(i-1), 0.016), 0}
			c.fill(from, 0.1, stick(from.plus(tine), from.plus(tine).plus(point{0, -0.07}), 0.005), metal)
		}
	}
}

// light makes the same scene look as different cameras and lamps show it.
func light(c *canvas, r *random) {
	strength := r.between(0.6, 1.2)
	cast := colour{r.between(0.85, 1.12), r.between(0.9, 1.06), r.between(0.8, 1.12)}
	direction, slope := r.direction(), r.between(0, 0.5)
	haze := r.between(0, 0.18)
	n := float32(c.size)
	for i, col := range c.pixels {
		p := point{(float32(i%c.size)+0.5)/n - 0.5, (float32(i/c.size)+0.5)/n - 0.5}
		f := mul(strength, 1+mul(slope, p.dot(direction)))
		lit := colour{mul(col.r, mul(f, cast.r)), mul(col.g, mul(f, cast.g)), mul(col.b, mul(f, cast.b))}
		c.pixels[i] = blend(lit, colour{0.5, 0.5, 0.5}, haze)
	}
}

// bytes adds the sensor's noise and rounds to 8 bits.
func (c *canvas) bytes(r *random) []uint8 {
	strength := r.between(0, 0.06)
	out := make([]uint8, 0, 3*len(c.pixels))
	for _, col := range c.pixels {
		bits := r.uint64()
		for _, v := range [...]float32{col.r, col.g, col.b} {
			grain := (float32(bits&0xfffff) - 1<<19) / (1 << 19)
			bits >>= 20
			out = append(out, uint8(clamp(mul(v+mul(strength, grain), 255)+0.5, 255)))
		}
	}
	return out
}
