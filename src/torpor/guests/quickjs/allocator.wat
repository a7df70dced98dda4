;; Wipes what JavaScript frees.
;;
;; Freed memory that keeps its old contents would be part of every snapshot: what was delivered long ago would be stored
;; again and again, secrets too. Wiped memory mostly equals the image, whose free memory is zero.
;;
;; QuickJS calls its allocator through a table of functions in its runtime (JSMallocFunctions); boot.py puts these two there.
(module
  (import "env" "memory" (memory 1))
  (import "env" "__indirect_function_table" (table $table 1 funcref))
  (import "env" "malloc" (func $malloc (param i32) (result i32)))
  (import "env" "free" (func $free (param i32)))

  (global (export "slot") (mut i32) (i32.const 0))
  (elem declare func $wiping_free $wiping_realloc)

  ;; dlmalloc keeps a chunk's size, with three flags, in the word before it; the last word of a chunk in use is usable.
  (func $usable (param $p i32) (result i32)
    (i32.sub (i32.and (i32.load (i32.sub (local.get $p) (i32.const 4))) (i32.const -8)) (i32.const 4)))

  (func $wiping_free (param $opaque i32) (param $p i32)
    (if (local.get $p)
      (then
        (memory.fill (local.get $p) (i32.const 0) (call $usable (local.get $p)))
        (call $free (local.get $p)))))

  (func $wiping_realloc (param $opaque i32) (param $p i32) (param $size i32) (result i32)
    (local $new i32) (local $usable i32)
    (if (i32.eqz (local.get $p)) (then (return (call $malloc (local.get $size)))))
    (if (i32.eqz (local.get $size))
      (then (call $wiping_free (local.get $opaque) (local.get $p)) (return (i32.const 0))))
    (local.set $usable (call $usable (local.get $p)))
    (if (i32.and
          (i32.le_u (local.get $size) (local.get $usable))
          (i32.gt_u (local.get $size) (i32.shr_u (local.get $usable) (i32.const 1))))
      (then (return (local.get $p))))
    (local.set $new (call $malloc (local.get $size)))
    (if (local.get $new)
      (then
        (memory.copy (local.get $new) (local.get $p)
          (select (local.get $size) (local.get $usable) (i32.lt_u (local.get $size) (local.get $usable))))
        (call $wiping_free (local.get $opaque) (local.get $p))))
    (local.get $new))

  (func $start
    (global.set 0 (table.grow $table (ref.func $wiping_free) (i32.const 1)))
    (drop (table.grow $table (ref.func $wiping_realloc) (i32.const 1))))
  (start $start))
