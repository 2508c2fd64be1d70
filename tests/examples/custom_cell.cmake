# What the custom_cell program does from outside.
# cases: learn load errors

cmake_minimum_required(VERSION 3.25)
include("${CMAKE_CURRENT_LIST_DIR}/run_program.cmake")

set(small --epochs 2 --metrics "${log}")

if(case STREQUAL "learn")
  run(0 ${program} ${small} --threads 1)
  metric(accuracy accuracy)
  metric(ok cell_ok)
  expect(ok AND NOT accuracy LESS 0.9)
  same_again(accuracy ${program} ${small} --threads 1)
elseif(case STREQUAL "load")
  set(model "${work}/model.safetensors")
  run(0 ${program} ${small} --save "${model}")
  same_again(accuracy ${program} --load "${model}" --metrics "${log}")
  needs(gnuplot)
  run(0 ${program} ${small} --plot "${work}/loss.png")
  picture("${work}/loss.png")
elseif(case STREQUAL "errors")
  file(WRITE "${work}/empty" "")
  fails(1 "missing: " --load "${work}/missing")
  fails(1 "empty: " --load "${work}/empty")
  fails(1 "missing/m.safetensors" --save "${work}/missing/m.safetensors" --epochs 1)
  common_mistakes()
endif()
