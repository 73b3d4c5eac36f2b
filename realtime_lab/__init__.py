"""Delivery guarantees on the real Socket.IO stack: see the README."""
