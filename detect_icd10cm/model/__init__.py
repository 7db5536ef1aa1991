"""What finds mentions in a note. The only room with torch or onnxruntime in it."""
