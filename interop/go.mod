module github.com/lupine-rpc/lupine/interop

go 1.26.0

replace github.com/lupine-rpc/lupine => ../
