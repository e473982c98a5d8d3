package main

// agent is everything that lives as long as PID 1.
type agent struct {
	session   *session
	processes *processes
	users     *users
	identity  identity
	authority authority
	temps     temps
	collector *collector
}
