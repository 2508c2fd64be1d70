# gnuplot -e "table='schedules.txt'" docs/schedules.gnuplot > docs/pictures/schedules.svg
# where build/examples/schedules > schedules.txt wrote the table.
stats table using 2 nooutput
set terminal svg size 900,1000 font "sans-serif,11" background rgb "white"
set multiplot layout 5,3 margins 0.04,0.98,0.03,0.96 spacing 0.05,0.055
set xrange [0:100]
set yrange [0:1.08]
set xtics 50
set ytics 0.5
set border 3 lc rgb "#888888"
set tics nomirror textcolor rgb "#444444"
unset key
do for [k = 0:STATS_blocks - 1] {
  name = system(sprintf("grep '\"' %s | sed -n '%dp' | tr -d '\"'", table, k + 1))
  set title noenhanced name font ",9" offset 0,-0.6
  if (k < STATS_blocks - 1) {
    plot table index k using 1:2 with lines lw 2 lc rgb "#1f77b4"
  } else {
    plot table index k using 1:2 with lines lw 2 lc rgb "#1f77b4", \
         table index k using 1:3 with lines lw 1 dt 2 lc rgb "#888888"
  }
}
unset multiplot
