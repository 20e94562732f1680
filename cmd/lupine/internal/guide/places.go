// Package guide implements the route guide example over a small data set: the
// larger places of Europe and where they are.
package guide

import (
	_ "embed"
	"encoding/csv"
	"fmt"
	"math"
	"strconv"
	"strings"

	"github.com/lupine-rpc/lupine/examples/routeguide"
)

//go:embed places.csv
var placesCSV string

// Place is a row of the data set.
type Place struct {
	Name                string
	Latitude, Longitude int32 // in units of 1e-7 degrees, as in the .proto
}

// Point returns where the place is, as a new message.
func (p Place) Point() *routeguide.Point {
	return &routeguide.Point{Latitude: p.Latitude, Longitude: p.Longitude}
}

// Places returns the data set, sorted by name. The slice is new at each call.
func Places() []Place {
	rows, err := csv.NewReader(strings.NewReader(placesCSV)).ReadAll()
	if err != nil {
		panic(fmt.Sprintf("guide: places.csv: %v", err)) // it is part of the program
	}
	places := make([]Place, 0, len(rows)-1)
	for _, row := range rows[1:] {
		places = append(places, Place{row[0], e7(row[1]), e7(row[2])})
	}
	return places
}

func e7(degrees string) int32 {
	f, err := strconv.ParseFloat(degrees, 64)
	if err != nil {
		panic(fmt.Sprintf("guide: places.csv: %v", err))
	}
	return int32(math.Round(f * 1e7))
}
