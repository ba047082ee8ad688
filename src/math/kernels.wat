;; The two loops that limbic spends its own time in, four numbers at once. kernels.ts says what each is for;
;; `node reproduce/kernels.mjs` turns this file into kernels-wasm.ts.
(module
  (memory (export "memory") 1)

  ;; Dot products of `count` directions with each row from `row` to `last`. Pointers are in bytes; `stride` is the bytes
  ;; of a direction and of a row, a multiple of 32; `count` is a multiple of 4, and the products of a row stand `count`
  ;; numbers behind those of the row before. Four directions at a time share each load of a row and are used for all
  ;; rows before the next four come, and eight sums run side by side so that none waits for its last addition.
  (func (export "project")
    (param $directions i32) (param $count i32) (param $stride i32) (param $first i32) (param $last i32) (param $out i32)
    (local $row i32) (local $left i32) (local $to i32) (local $start i32)
    (local $end i32) (local $at i32) (local $a i32) (local $b i32) (local $c i32) (local $d i32)
    (local $x v128) (local $y v128)
    (local $a0 v128) (local $a1 v128) (local $b0 v128) (local $b1 v128)
    (local $c0 v128) (local $c1 v128) (local $d0 v128) (local $d1 v128)
    (local.set $start (local.get $directions))
    (local.set $left (local.get $count))
    (block $done
      (loop $four
        (br_if $done (i32.eqz (local.get $left)))
        (local.set $row (local.get $first))
        (local.set $to (local.get $out))
        (loop $rows
          (local.set $end (i32.add (local.get $row) (local.get $stride)))
          (local.set $a (local.get $start))
          (local.set $b (i32.add (local.get $a) (local.get $stride)))
          (local.set $c (i32.add (local.get $b) (local.get $stride)))
          (local.set $d (i32.add (local.get $c) (local.get $stride)))
          (local.set $at (local.get $row))
          (local.set $a0 (v128.const f32x4 0 0 0 0)) (local.set $a1 (v128.const f32x4 0 0 0 0))
          (local.set $b0 (v128.const f32x4 0 0 0 0)) (local.set $b1 (v128.const f32x4 0 0 0 0))
          (local.set $c0 (v128.const f32x4 0 0 0 0)) (local.set $c1 (v128.const f32x4 0 0 0 0))
          (local.set $d0 (v128.const f32x4 0 0 0 0)) (local.set $d1 (v128.const f32x4 0 0 0 0))
          (loop $eight
            (local.set $x (v128.load (local.get $at)))
            (local.set $y (v128.load offset=16 (local.get $at)))
            (local.set $a0 (f32x4.add (local.get $a0) (f32x4.mul (local.get $x) (v128.load (local.get $a)))))
            (local.set $a1 (f32x4.add (local.get $a1) (f32x4.mul (local.get $y) (v128.load offset=16 (local.get $a)))))
            (local.set $b0 (f32x4.add (local.get $b0) (f32x4.mul (local.get $x) (v128.load (local.get $b)))))
            (local.set $b1 (f32x4.add (local.get $b1) (f32x4.mul (local.get $y) (v128.load offset=16 (local.get $b)))))
            (local.set $c0 (f32x4.add (local.get $c0) (f32x4.mul (local.get $x) (v128.load (local.get $c)))))
            (local.set $c1 (f32x4.add (local.get $c1) (f32x4.mul (local.get $y) (v128.load offset=16 (local.get $c)))))
            (local.set $d0 (f32x4.add (local.get $d0) (f32x4.mul (local.get $x) (v128.load (local.get $d)))))
            (local.set $d1 (f32x4.add (local.get $d1) (f32x4.mul (local.get $y) (v128.load offset=16 (local.get $d)))))
            (local.set $a (i32.add (local.get $a) (i32.const 32)))
            (local.set $b (i32.add (local.get $b) (i32.const 32)))
            (local.set $c (i32.add (local.get $c) (i32.const 32)))
            (local.set $d (i32.add (local.get $d) (i32.const 32)))
            (br_if $eight
              (i32.lt_u (local.tee $at (i32.add (local.get $at) (i32.const 32))) (local.get $end))))
          (f32.store (local.get $to) (call $sum (f32x4.add (local.get $a0) (local.get $a1))))
          (f32.store offset=4 (local.get $to) (call $sum (f32x4.add (local.get $b0) (local.get $b1))))
          (f32.store offset=8 (local.get $to) (call $sum (f32x4.add (local.get $c0) (local.get $c1))))
          (f32.store offset=12 (local.get $to) (call $sum (f32x4.add (local.get $d0) (local.get $d1))))
          (local.set $to (i32.add (local.get $to) (i32.shl (local.get $count) (i32.const 2))))
          (br_if $rows
            (i32.lt_u (local.tee $row (local.get $end)) (local.get $last))))
        (local.set $out (i32.add (local.get $out) (i32.const 16)))
        (local.set $start (i32.add (local.get $start) (i32.shl (local.get $stride) (i32.const 2))))
        (local.set $left (i32.sub (local.get $left) (i32.const 4)))
        (br $four))))

  (func $sum (param $v v128) (result f32)
    (f32.add
      (f32.add (f32x4.extract_lane 0 (local.get $v)) (f32x4.extract_lane 1 (local.get $v)))
      (f32.add (f32x4.extract_lane 2 (local.get $v)) (f32x4.extract_lane 3 (local.get $v)))))

  ;; Largest of `bytes` (a multiple of 16, not 0) of numbers at `at`.
  (func (export "maximum") (param $at i32) (param $bytes i32) (result f32)
    (local $end i32) (local $m v128)
    (local.set $end (i32.add (local.get $at) (local.get $bytes)))
    (local.set $m (v128.load (local.get $at)))
    (loop $next
      (local.set $m (f32x4.pmax (local.get $m) (v128.load (local.get $at))))
      (br_if $next
        (i32.lt_u (local.tee $at (i32.add (local.get $at) (i32.const 16))) (local.get $end))))
    (f32.max
      (f32.max (f32x4.extract_lane 0 (local.get $m)) (f32x4.extract_lane 1 (local.get $m)))
      (f32.max (f32x4.extract_lane 2 (local.get $m)) (f32x4.extract_lane 3 (local.get $m)))))

  ;; Sum of exp(x - top) over `bytes` (a multiple of 16, not 0) of numbers x <= top at `at`. exp is 2^(n + f) with a
  ;; whole n and f in [-1/2, 1/2]: n goes to the exponent's bits, 2^f is its Taylor series to the sixth power, which
  ;; is right to the last bit but one. Below 2^-126 all is 2^-126, which counts for nothing beside exp(0) = 1.
  (func (export "sumExp") (param $at i32) (param $bytes i32) (param $top f32) (result f64)
    (local $end i32) (local $y v128) (local $n v128) (local $f v128) (local $p v128) (local $s v128)
    (local.set $end (i32.add (local.get $at) (local.get $bytes)))
    (loop $next
      (local.set $y
        (f32x4.max
          (f32x4.mul
            (f32x4.sub (v128.load (local.get $at)) (f32x4.splat (local.get $top)))
            (f32x4.splat (f32.const 1.4426950408889634)))
          (f32x4.splat (f32.const -126))))
      (local.set $n (f32x4.nearest (local.get $y)))
      (local.set $f (f32x4.sub (local.get $y) (local.get $n)))
      (local.set $p (f32x4.splat (f32.const 1.5403530393381608e-4)))
      (local.set $p (f32x4.add (f32x4.mul (local.get $p) (local.get $f)) (f32x4.splat (f32.const 1.3333558146428443e-3))))
      (local.set $p (f32x4.add (f32x4.mul (local.get $p) (local.get $f)) (f32x4.splat (f32.const 9.618129107628477e-3))))
      (local.set $p (f32x4.add (f32x4.mul (local.get $p) (local.get $f)) (f32x4.splat (f32.const 5.5504108664821576e-2))))
      (local.set $p (f32x4.add (f32x4.mul (local.get $p) (local.get $f)) (f32x4.splat (f32.const 0.2402265069591007))))
      (local.set $p (f32x4.add (f32x4.mul (local.get $p) (local.get $f)) (f32x4.splat (f32.const 0.6931471805599453))))
      (local.set $p (f32x4.add (f32x4.mul (local.get $p) (local.get $f)) (f32x4.splat (f32.const 1))))
      (local.set $p
        (f32x4.mul
          (local.get $p)
          (i32x4.shl
            (i32x4.add (i32x4.trunc_sat_f32x4_s (local.get $n)) (i32x4.splat (i32.const 127)))
            (i32.const 23))))
      ;; The sum itself in double precision: it has as many terms as the vocabulary has words.
      (local.set $s
        (f64x2.add
          (local.get $s)
          (f64x2.add
            (f64x2.promote_low_f32x4 (local.get $p))
            (f64x2.promote_low_f32x4
              (i8x16.shuffle 8 9 10 11 12 13 14 15 8 9 10 11 12 13 14 15 (local.get $p) (local.get $p))))))
      (br_if $next
        (i32.lt_u (local.tee $at (i32.add (local.get $at) (i32.const 16))) (local.get $end))))
    (f64.add (f64x2.extract_lane 0 (local.get $s)) (f64x2.extract_lane 1 (local.get $s)))))
