# Time per token and size of the KV cache against the tokens before, as a picture.
# usage: tern bench -m MODEL -p 0 -n 16 -d 128,512,2048,8192 -o csv > contexts.csv
#        gnuplot -c bench/contexts.gp contexts.csv contexts.svg
set terminal svg size 760,420 font "sans-serif,13" background "white"
set output ARG2
set datafile separator ","
set key top left
set grid
set logscale x 2
set xlabel "tokens before"
set ylabel "ms a token"
set y2label "KV cache, MiB"
set ytics nomirror
set y2tics
set yrange [0:*]
set y2range [0:*]
plot ARG1 using (column("n_depth")):(1000 / column("tokens_per_s")) with linespoints lw 2 pt 7 title "ms a token", \
     ARG1 using (column("n_depth")):(column("kv_cache_bytes") / 2.0**20) axes x1y2 with linespoints lw 2 pt 5 title "KV cache"
