module github.com/lupine-rpc/lupine/cmd/lupine

go 1.26.0

replace (
	github.com/lupine-rpc/lupine => ../../
	github.com/lupine-rpc/lupine/compiler => ../../compiler
)
