;; Compares and changes the pages of a guest's memory against its image, beside which it is instantiated.
;;
;; $vm       the guest's memory
;; $image    the image, followed by zeros up to the limit of $vm; never written
;; $scratch  the host's: page flags come in there, records go out there
;;
;; A record is: page u32, 64 bytes of mask (one bit for each 8-byte word), the words that differ, as they are in $vm.
(module
  (import "guest" "memory" (memory $vm 1))
  (import "host" "image" (memory $image 1))
  (import "host" "scratch" (memory $scratch 1))

  (global $record_bytes_max i32 (i32.const 4164)) ;; 4 + 64 + 4096

  ;; Linux pagemap: present or swapped, and not backed by the file.
  (func $is_private (param $flags i64) (result i32)
    (i32.and
      (i64.ne (i64.and (local.get $flags) (i64.const 0xC000000000000000)) (i64.const 0))
      (i64.eqz (i64.and (local.get $flags) (i64.const 0x2000000000000000)))))

  (func $same_line (param $at i32) (result i32)
    (i32.eqz
      (v128.any_true
        (v128.or
          (v128.or
            (v128.xor (v128.load $vm (local.get $at)) (v128.load $image (local.get $at)))
            (v128.xor (v128.load $vm offset=16 (local.get $at)) (v128.load $image offset=16 (local.get $at))))
          (v128.or
            (v128.xor (v128.load $vm offset=32 (local.get $at)) (v128.load $image offset=32 (local.get $at)))
            (v128.xor (v128.load $vm offset=48 (local.get $at)) (v128.load $image offset=48 (local.get $at))))))))

  (func $make_room (param $end i32) (result i32)
    (if (i32.le_u (local.get $end) (i32.mul (memory.size $scratch) (i32.const 65536))) (then (return (i32.const 1))))
    (if (i32.ne (memory.grow $scratch (i32.add (i32.const 1) (i32.shr_u (memory.size $scratch) (i32.const 2)))) (i32.const -1))
      (then (return (i32.const 1))))
    (i32.ne (memory.grow $scratch (i32.const 1)) (i32.const -1)))

  ;; Write the record of one page and return where it ends: $out when the page does not differ, 0 when there is no room.
  (func $record (param $page i32) (param $out i32) (result i32)
    (local $begin i32) (local $at i32) (local $mask_at i32) (local $mask i32) (local $bit i32) (local $word i64)
    (if (i32.eqz (call $make_room (i32.add (local.get $out) (global.get $record_bytes_max))))
      (then (return (i32.const 0))))
    (local.set $begin (local.get $out))
    (i32.store $scratch (local.get $out) (local.get $page))
    (local.set $mask_at (i32.add (local.get $out) (i32.const 4)))
    (local.set $out (i32.add (local.get $out) (i32.const 68)))
    (local.set $at (i32.shl (local.get $page) (i32.const 12)))
    (loop $line
      (local.set $mask (i32.const 0))
      (if (call $same_line (local.get $at))
        (then (local.set $at (i32.add (local.get $at) (i32.const 64))))
        (else
          (local.set $bit (i32.const 1))
          (loop $next
            (local.set $word (i64.load $vm (local.get $at)))
            (if (i64.ne (local.get $word) (i64.load $image (local.get $at)))
              (then
                (local.set $mask (i32.or (local.get $mask) (local.get $bit)))
                (i64.store $scratch (local.get $out) (local.get $word))
                (local.set $out (i32.add (local.get $out) (i32.const 8)))))
            (local.set $at (i32.add (local.get $at) (i32.const 8)))
            (local.set $bit (i32.shl (local.get $bit) (i32.const 1)))
            (br_if $next (i32.ne (local.get $bit) (i32.const 256))))))
      (i32.store8 $scratch (local.get $mask_at) (local.get $mask))
      (local.set $mask_at (i32.add (local.get $mask_at) (i32.const 1)))
      (br_if $line (i32.and (local.get $at) (i32.const 4095))))
    (select (local.get $begin) (local.get $out)
      (i32.eq (local.get $out) (i32.add (local.get $begin) (i32.const 68)))))

  ;; Records of the pages from $page to $pages that differ, from $out on; returns where they end, 0 when the scratch memory
  ;; cannot grow. With $flags, the pagemap entries of all pages lie there and only private pages are looked at.
  (func (export "diff") (param $page i32) (param $pages i32) (param $flags i32) (param $out i32) (result i32)
    (loop $next
      (if (i32.lt_u (local.get $page) (local.get $pages))
        (then
          (if (if (result i32) (local.get $flags)
                (then (call $is_private
                  (i64.load $scratch (i32.add (local.get $flags) (i32.shl (local.get $page) (i32.const 3))))))
                (else (i32.const 1)))
            (then
              (local.set $out (call $record (local.get $page) (local.get $out)))
              (if (i32.eqz (local.get $out)) (then (return (i32.const 0))))))
          (local.set $page (i32.add (local.get $page) (i32.const 1)))
          (br $next))))
    (local.get $out))

  ;; Make private pages equal to the image again; returns how many pages are private.
  (func (export "reset") (param $pages i32) (param $flags i32) (result i32)
    (local $page i32) (local $count i32)
    (loop $next
      (if (i32.lt_u (local.get $page) (local.get $pages))
        (then
          (if (call $is_private (i64.load $scratch (i32.add (local.get $flags) (i32.shl (local.get $page) (i32.const 3)))))
            (then
              (local.set $count (i32.add (local.get $count) (i32.const 1)))
              (memory.copy $vm $image
                (i32.shl (local.get $page) (i32.const 12)) (i32.shl (local.get $page) (i32.const 12)) (i32.const 4096))))
          (local.set $page (i32.add (local.get $page) (i32.const 1)))
          (br $next))))
    (local.get $count))

  ;; Write the records between $at and $end of the scratch memory into memory that equals the image; returns 1, or 0 when
  ;; they are not well formed.
  (func (export "apply") (param $at i32) (param $end i32) (result i32)
    (local $page i32) (local $pages i32) (local $mask_at i32) (local $mask i32) (local $line i32)
    (local.set $pages (i32.shl (memory.size $vm) (i32.const 4)))
    (loop $record
      (if (i32.eq (local.get $at) (local.get $end)) (then (return (i32.const 1))))
      (if (i32.gt_u (i32.add (local.get $at) (i32.const 68)) (local.get $end)) (then (return (i32.const 0))))
      (local.set $page (i32.load $scratch (local.get $at)))
      (if (i32.ge_u (local.get $page) (local.get $pages)) (then (return (i32.const 0))))
      (local.set $mask_at (i32.add (local.get $at) (i32.const 4)))
      (local.set $at (i32.add (local.get $at) (i32.const 68)))
      (local.set $line (i32.shl (local.get $page) (i32.const 12)))
      (loop $next_line
        (local.set $mask (i32.load8_u $scratch (local.get $mask_at)))
        (loop $next_word
          (if (local.get $mask)
            (then
              (if (i32.gt_u (i32.add (local.get $at) (i32.const 8)) (local.get $end)) (then (return (i32.const 0))))
              (i64.store $vm
                (i32.add (local.get $line) (i32.shl (i32.ctz (local.get $mask)) (i32.const 3)))
                (i64.load $scratch (local.get $at)))
              (local.set $at (i32.add (local.get $at) (i32.const 8)))
              (local.set $mask (i32.and (local.get $mask) (i32.sub (local.get $mask) (i32.const 1))))
              (br $next_word))))
        (local.set $mask_at (i32.add (local.get $mask_at) (i32.const 1)))
        (local.set $line (i32.add (local.get $line) (i32.const 64)))
        (br_if $next_line (i32.and (local.get $line) (i32.const 4095))))
      (br $record))
    (i32.const 1))

  ;; Grow the guest's memory by 64 KiB pages; returns the former size or -1.
  (func (export "grow") (param $pages i32) (result i32)
    (memory.grow $vm (local.get $pages))))
