#!/usr/bin/env bash
# kcat (librdkafka of the distribution): produce, list, consume, query.  usage: kcat.sh BOOTSTRAP
set -euo pipefail
b=$1
printf 'k1:one\nk2:two\nk3:three\n' | kcat -b "$b" -t kcat-topic -K: -P
[ "$(kcat -b "$b" -t kcat-topic -C -o beginning -e -q -f '%k=%s@%o\n')" = $'k1=one@0\nk2=two@1\nk3=three@2' ]
kcat -b "$b" -L -t kcat-topic | grep -q 'topic "kcat-topic" with 1 partitions'
[ "$(kcat -b "$b" -Q -t kcat-topic:0:-1)" = "kcat-topic [0] offset 3" ]
printf 'four\n' | kcat -b "$b" -t kcat-topic -P -z zstd
[ "$(kcat -b "$b" -t kcat-topic -C -o -1 -e -q)" = "four" ]
echo DONE
