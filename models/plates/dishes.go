package plates

// dishes draw one kind each, in the order of Kinds.
var dishes = [Classes]func(*canvas, *random, spot){bread, dairy, dessert, egg, fried, meat, noodles, rice, seafood,
	soup, vegetable}

// bread is a loaf with cuts, or slices with a crust.
func bread(c *canvas, r *random, s spot) {
	crust := r.near(colour{0.68, 0.42, 0.18}, 0.22)
	crumb := r.near(colour{0.92, 0.8, 0.58}, 0.1)
	if r.chance(0.5) {
		d, long := r.direction(), mul(s.radius, r.between(0.85, 1.05))
		wide := mul(long, r.between(0.45, 0.8))
		loaf := c.rough(oval(s.at, d, long, wide), 0.012, 9)
		c.shadow(s.at, long, loaf, 0.02)
		c.fill(s.at, long, loaf, paint{colour: crust, grain: 0.14, scale: r.between(10, 26), rounded: mul(wide, 0.5)})
		cuts := r.whole(2, 5)
		for i := range cuts {
			t := mul(long, mul(1.3, (float32(i)+0.5)/float32(cuts)-0.5))
			middle := s.at.plus(d.times(t))
			tilt := d.left().plus(d.times(0.4)).times(mul(wide, 0.45))
			c.fill(middle, wide, stick(middle.minus(tilt), middle.plus(tilt), mul(long, 0.045)),
				paint{colour: crumb, grain: 0.08, scale: 40})
		}
		return
	}
	d := r.direction()
	count := r.whole(2, 4)
	side := mul(s.radius, r.between(0.42, 0.55))
	for i := range count {
		at := s.at.plus(d.times(mul(s.radius,
			mul(1.1, (float32(i)+0.5)/float32(count)-0.5)))).plus(r.direction().times(mul(side, 0.15)))
		turn := d.plus(r.direction().times(0.25))
		turn = turn.times(1 / turn.length())
		slice := box(at, turn, mul(side, 0.9), side, mul(side, 0.4))
		c.shadow(at, mul(side, 1.5), slice, 0.012)
		c.fill(at, mul(side, 1.5), slice, paint{colour: crust})
		c.fill(at, mul(side, 1.5), box(at, turn, mul(side, 0.78), mul(side, 0.88), mul(side, 0.35)),
			paint{colour: crumb, grain: 0.12, scale: r.between(30, 60)})
	}
}

// dairy is cream or yoghurt with a swirl, or wedges of cheese with holes.
func dairy(c *canvas, r *random, s spot) {
	if r.chance(0.5) {
		cream := r.near(colour{0.97, 0.95, 0.88}, 0.05)
		radius := mul(s.radius, r.between(0.8, 0.98))
		if !s.bowl {
			radius = mul(radius, 0.85)
		}
		c.fill(s.at, mul(radius, 1.2), c.rough(disc(s.at, radius), mul(radius, 0.06), 7),
			paint{colour: cream, grain: 0.03, scale: 12, rounded: 0.04})
		turns, start := r.between(1.5, 2.5), r.unit()
		const steps = 40
		last := s.at
		for i := 1; i <= steps; i++ {
			t := float32(i) / steps
			turn := start + mul(turns, t)
			turn -= float32(int(turn))
			next := s.at.plus(toward(turn).times(mul(mul(radius, 0.85), t)))
			c.fill(next, mul(radius, 0.4), stick(last, next, mul(radius, 0.035)),
				paint{colour: cream.times(0.82), clear: 0.4})
			last = next
		}
		return
	}
	cheese := r.near(colour{0.95, 0.78, 0.32}, 0.14)
	for range r.whole(2, 4) {
		tip := r.within(s.at, mul(s.radius, 0.6))
		base := tip.plus(r.direction().times(mul(s.radius, r.between(0.6, 0.85))))
		reach := mul(s.radius, 1.1)
		wedge := triangle(tip, base, mul(s.radius, r.between(0.25, 0.4)))
		c.shadow(base, reach, wedge, 0.018)
		c.fill(tip, mul(reach, 1.2), wedge, paint{colour: cheese, rounded: 0.012})
		for range r.whole(3, 6) {
			at := between(tip, base, r.between(0.4, 0.95)).plus(r.direction().times(mul(s.radius, 0.12)))
			size := mul(s.radius, r.between(0.03, 0.07))
			c.fill(at, size, both(wedge, disc(at, size)), paint{colour: cheese.times(0.7)})
		}
	}
}

// dessert is a slice of layered cake, or scoops of ice cream with sprinkles.
func dessert(c *canvas, r *random, s spot) {
	if r.chance(0.5) {
		dough := r.near(pick(r, colour{0.4, 0.22, 0.14}, colour{0.85, 0.65, 0.4}, colour{0.7, 0.25, 0.25}), 0.15)
		cream := r.near(pick(r, colour{0.97, 0.93, 0.9}, colour{0.95, 0.6, 0.7}, colour{0.5, 0.3, 0.2}), 0.08)
		d := r.direction()
		tip := s.at.minus(d.times(mul(s.radius, 0.85)))
		base := s.at.plus(d.times(mul(s.radius, 0.7)))
		slice := triangle(tip, base, mul(s.radius, r.between(0.5, 0.65)))
		reach := mul(s.radius, 1.5)
		c.shadow(s.at, reach, slice, 0.03)
		c.fill(s.at, reach, slice, paint{colour: dough, grain: 0.1, scale: 40})
		layers := r.whole(2, 3)
		for i := range layers {
			at := between(tip, base, (float32(i)+0.7)/(float32(layers)+0.2))
			across := d.left().times(s.radius)
			c.fill(s.at, reach, both(slice, stick(at.minus(across), at.plus(across), mul(s.radius, 0.055))),
				paint{colour: cream})
		}
		top := r.within(between(tip, base, 0.75), mul(s.radius, 0.15))
		c.fill(top, mul(s.radius, 0.13), disc(top, mul(s.radius, 0.13)),
			paint{colour: colour{0.8, 0.1, 0.15}, rounded: 0.02})
		return
	}
	scoops := r.whole(2, 3)
	start := r.unit()
	for i := range scoops {
		turn := start + float32(i)/float32(scoops)
		turn -= float32(int(turn))
		at := s.at.plus(toward(turn).times(mul(s.radius, 0.42)))
		size := mul(s.radius, r.between(0.4, 0.5))
		ice := r.near(pick(r, colour{0.95, 0.65, 0.72}, colour{0.42, 0.26, 0.18}, colour{0.95, 0.88, 0.66},
			colour{0.7, 0.85, 0.65}, colour{0.6, 0.45, 0.7}), 0.1)
		ball := c.rough(disc(at, size), 0.01, 25)
		c.shadow(at, size, ball, 0.015)
		c.fill(at, size, ball, paint{colour: ice, grain: 0.1, scale: 25, rounded: mul(size, 0.6)})
		for range r.whole(6, 14) {
			p := r.within(at, mul(size, 0.75))
			v := r.direction().times(mul(size, 0.09))
			bright := pick(r, colour{0.9, 0.2, 0.2}, colour{0.2, 0.6, 0.9}, colour{0.95, 0.85, 0.2},
				colour{0.3, 0.8, 0.3}, colour{0.98, 0.98, 0.98})
			c.fill(p, 0.03, stick(p.minus(v), p.plus(v), mul(size, 0.035)), paint{colour: bright})
		}
	}
}

// egg is fried, or boiled and cut in halves.
func egg(c *canvas, r *random, s spot) {
	yolk := r.near(colour{0.97, 0.68, 0.1}, 0.12)
	white := r.near(colour{0.97, 0.96, 0.92}, 0.04)
	count := r.whole(1, 3)
	start := r.unit()
	boiled := r.chance(0.45)
	if boiled {
		count++
	}
	for i := range count {
		at, size := s.at, mul(s.radius, 0.8)
		if count > 1 {
			turn := start + float32(i)/float32(count)
			turn -= float32(int(turn))
			at, size = s.at.plus(toward(turn).times(mul(s.radius, 0.5))), mul(s.radius, 0.5)
		}
		if boiled {
			size = mul(size, 0.85)
			d := r.direction()
			half := oval(at, d, size, mul(size, 0.72))
			c.shadow(at, size, half, 0.015)
			c.fill(at, size, half, paint{colour: white, rounded: mul(size, 0.15)})
			middle := at.plus(d.times(mul(size, 0.12)))
			c.fill(middle, size, disc(middle, mul(size, 0.4)), paint{colour: yolk.times(0.97), grain: 0.06, scale: 30})
			continue
		}
		c.fill(at, mul(size, 1.5), c.rough(disc(at, size), mul(size, 0.28), 3/size),
			paint{colour: white, grain: 0.03, scale: 20, rounded: 0.01})
		middle := r.within(at, mul(size, 0.25))
		dome := mul(size, r.between(0.32, 0.42))
		c.fill(middle, dome, disc(middle, dome), paint{colour: yolk, rounded: mul(dome, 0.5)})
		shine := middle.minus(point{mul(dome, 0.3), mul(dome, 0.3)})
		c.fill(shine, dome, disc(shine, mul(dome, 0.18)), paint{colour: colour{1, 0.97, 0.85}})
	}
}

func fry(c *canvas, r *random, at point, long float32) {
	d := r.direction()
	stickOf := box(at, d, long, mul(long, 0.17), mul(long, 0.04))
	c.shadow(at, mul(long, 1.1), stickOf, 0.008)
	c.fill(at, mul(long, 1.1), stickOf, paint{colour: r.near(colour{0.93, 0.74, 0.3}, 0.13), grain: 0.08, scale: 30,
		rounded: mul(long, 0.07)})
}

// fried is chips, or nuggets in crumbs.
func fried(c *canvas, r *random, s spot) {
	if r.chance(0.5) {
		for range r.whole(16, 30) {
			fry(c, r, r.within(s.at, mul(s.radius, 0.72)), mul(s.radius, r.between(0.28, 0.42)))
		}
		return
	}
	for range r.whole(5, 9) {
		at := r.within(s.at, mul(s.radius, 0.68))
		size := mul(s.radius, r.between(0.24, 0.34))
		nugget := c.rough(oval(at, r.direction(), size, mul(size, r.between(0.65, 0.9))), mul(size, 0.2), 4/size)
		c.shadow(at, mul(size, 1.2), nugget, 0.012)
		c.fill(at, mul(size, 1.3), nugget, paint{colour: r.near(colour{0.8, 0.52, 0.18}, 0.15), grain: 0.3,
			scale: r.between(50, 80), rounded: mul(size, 0.3)})
	}
}

// meat is a steak from the grill, or sausages.
func meat(c *canvas, r *random, s spot) {
	if r.chance(0.55) {
		flesh := r.near(colour{0.42, 0.2, 0.13}, 0.25)
		d, long := r.direction(), mul(s.radius, r.between(0.75, 0.95))
		wide := mul(long, r.between(0.6, 0.8))
		steak := c.rough(oval(s.at, d, long, wide), mul(long, 0.2), 2/long)
		c.shadow(s.at, mul(long, 1.3), steak, 0.02)
		c.fill(s.at, mul(long, 1.3), steak, paint{colour: r.near(colour{0.85, 0.72, 0.58}, 0.1)})
		inner := func(p point) float32 { return steak(p) + mul(long, 0.05) }
		c.fill(s.at, mul(long, 1.3), inner, paint{colour: flesh, grain: 0.22, scale: r.between(15, 40)})
		bars := r.direction()
		for i := range 7 {
			middle := s.at.plus(bars.times(mul(long, mul(0.3, float32(i-3)))))
			across := bars.left().times(mul(long, 1.3))
			c.fill(s.at, mul(long, 1.3), both(inner, stick(middle.minus(across), middle.plus(across), mul(long, 0.04))),
				paint{colour: flesh.times(0.4), clear: 0.25})
		}
		return
	}
	skin := r.near(colour{0.6, 0.26, 0.15}, 0.2)
	d, count := r.direction(), r.whole(2, 4)
	for i := range count {
		middle := s.at.plus(d.left().times(mul(s.radius, mul(1.3, (float32(i)+0.5)/float32(count)-0.5))))
		half := d.plus(r.direction().times(0.2)).times(mul(s.radius, r.between(0.6, 0.8)))
		thick := mul(s.radius, r.between(0.13, 0.18))
		sausage := stick(middle.minus(half), middle.plus(half), thick)
		c.shadow(middle, s.radius, sausage, 0.015)
		c.fill(middle, mul(s.radius, 1.3), sausage, paint{colour: skin, grain: 0.12, scale: 20,
			rounded: mul(thick, 0.8)})
		for j := range 3 {
			cut := middle.plus(half.times(mul(0.5, float32(j-1))))
			slant := d.left().plus(d.times(0.5)).times(mul(thick, 0.6))
			c.fill(cut, mul(thick, 2), stick(cut.minus(slant), cut.plus(slant), mul(thick, 0.13)),
				paint{colour: skin.times(0.45)})
		}
	}
}

// noodles are long curves, one over the other.
func noodles(c *canvas, r *random, s spot) {
	col := r.near(pick(r, colour{0.94, 0.82, 0.5}, colour{0.95, 0.9, 0.72}, colour{0.85, 0.62, 0.3}), 0.08)
	c.fill(s.at, s.radius, c.rough(disc(s.at, mul(s.radius, 0.85)), 0.02, 8), paint{colour: col.times(0.62)})
	thick := mul(s.radius, r.between(0.028, 0.05))
	for range r.whole(34, 55) {
		strand := r.near(col, 0.12)
		at := r.within(s.at, mul(s.radius, 0.8))
		d, bend := r.direction(), r.between(-0.5, 0.5)
		for range 9 {
			next := at.plus(d.times(mul(s.radius, 0.13)))
			if next.minus(s.at).length() > mul(s.radius, 0.95) {
				break
			}
			c.fill(between(at, next, 0.5), mul(s.radius, 0.14), stick(at, next, thick),
				paint{colour: strand, rounded: thick})
			d = d.plus(d.left().times(bend))
			d = d.times(1 / d.length())
			at = next
		}
	}
}

func grains(c *canvas, r *random, s spot, count int, col colour) {
	for range count {
		at := r.within(s.at, s.radius)
		long := mul(0.4, r.between(0.03, 0.045))
		c.fill(at, 0.03, oval(at, r.direction(), long, mul(long, 0.42)),
			paint{colour: r.near(col, 0.09), rounded: mul(long, 0.3)})
	}
}

// rice is very many small grains in a heap.
func rice(c *canvas, r *random, s spot) {
	col := r.near(pick(r, colour{0.96, 0.95, 0.9}, colour{0.95, 0.93, 0.86}, colour{0.93, 0.82, 0.5},
		colour{0.85, 0.7, 0.5}), 0.05)
	heap := spot{at: s.at, radius: mul(s.radius, r.between(0.7, 0.9))}
	c.fill(s.at, s.radius, c.rough(disc(s.at, heap.radius), 0.02, 10), paint{colour: col.times(0.72)})
	grains(c, r, heap, 60+int(mul(mul(heap.radius, heap.radius), 5200)), col)
	if r.chance(0.4) { // fried rice
		for range r.whole(6, 18) {
			at := r.within(heap.at, heap.radius)
			bit := r.near(pick(r, colour{0.4, 0.65, 0.2}, colour{0.9, 0.5, 0.15}, colour{0.95, 0.85, 0.3}), 0.1)
			c.fill(at, 0.02, disc(at, r.between(0.008, 0.015)), paint{colour: bit})
		}
	}
}

// seafood is a whole fish, or prawns.
func seafood(c *canvas, r *random, s spot) {
	if r.chance(0.5) {
		skin := r.near(pick(r, colour{0.6, 0.65, 0.7}, colour{0.9, 0.55, 0.42}, colour{0.5, 0.48, 0.4}), 0.14)
		d, long := r.direction(), mul(s.radius, r.between(0.8, 0.95))
		wide := mul(long, r.between(0.34, 0.44))
		body := s.at.plus(d.times(mul(long, 0.15)))
		fish := oval(body, d, mul(long, 0.8), wide)
		joint := body.minus(d.times(mul(long, 0.6)))
		end := body.minus(d.times(mul(long, 1.15)))
		tail := triangle(joint, end, mul(wide, 0.95))
		c.shadow(body, mul(long, 1.2), fish, 0.015)
		c.fill(end, mul(long, 1.2), tail, paint{colour: skin.times(0.75), grain: 0.15, scale: 40})
		c.fill(body, long, fish, paint{colour: skin, grain: 0.2, scale: r.between(30, 60), rounded: mul(wide, 0.5)})
		gill := body.plus(d.times(mul(long, 0.45)))
		half := d.left().times(mul(wide, 0.6))
		c.fill(gill, wide, stick(gill.minus(half), gill.plus(half), mul(long, 0.016)), paint{colour: skin.times(0.5)})
		eye := body.plus(d.times(mul(long, 0.6))).plus(d.left().times(mul(wide, 0.22)))
		c.fill(eye, wide, disc(eye, mul(long, 0.05)), paint{colour: colour{0.95, 0.95, 0.9}})
		c.fill(eye, wide, disc(eye, mul(long, 0.028)), paint{colour: colour{0.05, 0.05, 0.05}})
		return
	}
	shell := r.near(colour{0.95, 0.52, 0.36}, 0.13)
	for range r.whole(4, 8) {
		at := r.within(s.at, mul(s.radius, 0.66))
		size := mul(s.radius, r.between(0.2, 0.27))
		start, way := r.unit(), pick(r, float32(-1), 1)
		for i := range 8 { // segments around two thirds of a circle, ever thinner
			turn := start + mul(way, mul(0.085, float32(i))) + 1
			turn -= float32(int(turn))
			p := at.plus(toward(turn).times(size))
			thick := mul(size, 0.46-mul(0.035, float32(i)))
			tone := shell
			if i%2 == 1 {
				tone = blend(shell, colour{1, 0.9, 0.84}, 0.6)
			}
			c.fill(p, thick, disc(p, thick), paint{colour: tone, rounded: mul(thick, 0.5)})
		}
	}
}

// soup is a bowl filled to the rim, with a few things in it.
func soup(c *canvas, r *random, s spot) {
	broth := r.near(pick(r, colour{0.85, 0.42, 0.12}, colour{0.75, 0.2, 0.1}, colour{0.45, 0.55, 0.2},
		colour{0.8, 0.68, 0.35}, colour{0.55, 0.35, 0.18}, colour{0.93, 0.86, 0.68}), 0.14)
	level := mul(s.radius, r.between(0.9, 0.98))
	c.fill(s.at, level, disc(s.at, level), paint{colour: broth, grain: 0.05, scale: 6, rounded: 0.025})
	for range r.whole(3, 12) { // drops of fat
		at := r.within(s.at, mul(level, 0.85))
		size := mul(level, r.between(0.02, 0.06))
		c.fill(at, size, ring(disc(at, size), 0.003), paint{colour: broth.times(1.25), clear: 0.3})
	}
	for range r.whole(0, 7) {
		at := r.within(s.at, mul(level, 0.75))
		size := mul(level, r.between(0.06, 0.12))
		bit := r.near(pick(r, colour{0.9, 0.5, 0.15}, colour{0.35, 0.55, 0.2}, colour{0.93, 0.9, 0.8},
			colour{0.6, 0.35, 0.2}), 0.15)
		c.fill(at, mul(size, 1.5), box(at, r.direction(), size, mul(size, 0.8), mul(size, 0.3)),
			paint{colour: blend(bit, broth, 0.25)})
	}
	if r.chance(0.4) { // a swirl of cream
		last, d := r.within(s.at, mul(level, 0.4)), r.direction()
		for range 9 {
			next := last.plus(d.times(mul(level, 0.1)))
			if next.minus(s.at).length() > mul(level, 0.9) {
				break
			}
			c.fill(next, mul(level, 0.2), stick(last, next, mul(level, 0.03)),
				paint{colour: colour{0.97, 0.95, 0.9}, clear: 0.25})
			d = d.plus(d.left().times(0.6))
			d = d.times(1 / d.length())
			last = next
		}
	}
	shine := s.at.plus(point{mul(level, -0.45), mul(level, -0.5)})
	c.fill(shine, mul(level, 0.3), oval(shine, point{0.8, -0.6}, mul(level, 0.25), mul(level, 0.06)),
		paint{colour: colour{1, 1, 1}, clear: 0.5})
}

func leaf(c *canvas, r *random, at point, size float32, col colour) {
	d := r.direction()
	blade := both(oval(at.plus(d.left().times(mul(size, 0.25))), d, size, mul(size, 0.65)),
		oval(at.minus(d.left().times(mul(size, 0.25))), d, size, mul(size, 0.65)))
	c.fill(at, mul(size, 1.3), c.rough(blade, mul(size, 0.08), 4/size),
		paint{colour: col, grain: 0.16, scale: 30, rounded: mul(size, 0.1)})
	half := d.times(mul(size, 0.8))
	c.fill(at, size, stick(at.minus(half), at.plus(half), mul(size, 0.035)),
		paint{colour: blend(col, colour{0.85, 0.9, 0.6}, 0.5)})
}

func tomato(c *canvas, r *random, at point, size float32) {
	red := r.near(colour{0.82, 0.16, 0.1}, 0.14)
	c.fill(at, size, disc(at, size), paint{colour: red, rounded: mul(size, 0.15)})
	start := r.unit()
	for i := range 4 {
		turn := start + float32(i)/4
		turn -= float32(int(turn))
		d := toward(turn)
		p := at.plus(d.times(mul(size, 0.5)))
		c.fill(p, size, oval(p, d, mul(size, 0.26), mul(size, 0.17)),
			paint{colour: blend(red, colour{0.95, 0.6, 0.3}, 0.6)})
	}
}

func cucumber(c *canvas, r *random, at point, size float32) {
	c.fill(at, size, disc(at, size), paint{colour: r.near(colour{0.2, 0.42, 0.15}, 0.15)})
	c.fill(at, size, disc(at, mul(size, 0.87)), paint{colour: r.near(colour{0.78, 0.87, 0.58}, 0.06)})
	c.fill(at, size, ring(disc(at, mul(size, 0.4)), mul(size, 0.07)), paint{colour: colour{0.66, 0.78, 0.45}})
}

// vegetable is leaves, mixed with slices of tomato and cucumber, or florets.
func vegetable(c *canvas, r *random, s spot) {
	green := r.near(pick(r, colour{0.3, 0.55, 0.18}, colour{0.2, 0.42, 0.16}, colour{0.5, 0.68, 0.25}), 0.15)
	if r.chance(0.3) { // broccoli
		for range r.whole(4, 7) {
			at := r.within(s.at, mul(s.radius, 0.65))
			size := mul(s.radius, r.between(0.2, 0.3))
			d := r.direction()
			c.fill(at, mul(size, 2), stick(at, at.plus(d.times(mul(size, 1.4))), mul(size, 0.25)),
				paint{colour: colour{0.65, 0.75, 0.45}, rounded: mul(size, 0.1)})
			for range 12 {
				p := r.within(at, mul(size, 0.8))
				c.fill(p, mul(size, 0.4), disc(p, mul(size, 0.36)),
					paint{colour: r.near(green.times(0.8), 0.2), grain: 0.3, scale: 60, rounded: mul(size, 0.2)})
			}
		}
		return
	}
	for range r.whole(10, 20) {
		leaf(c, r, r.within(s.at, mul(s.radius, 0.75)), mul(s.radius, r.between(0.25, 0.42)), r.near(green, 0.2))
	}
	for range r.whole(1, 6) {
		at, size := r.within(s.at, mul(s.radius, 0.7)), mul(s.radius, r.between(0.15, 0.24))
		if r.chance(0.5) {
			tomato(c, r, at, size)
		} else {
			cucumber(c, r, at, size)
		}
	}
}
