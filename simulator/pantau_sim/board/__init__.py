"""A board on a serial port that is not there: mpremote and Pantau's own tools take it for an ESP32."""
