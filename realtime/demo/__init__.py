"""The bundled demo clip and the script that makes it."""
