<?php
header('Content-Type: text/plain; charset=utf-8');
echo "Hello from PHP ", PHP_MAJOR_VERSION, " at ", $_SERVER['REQUEST_URI'], "\n";
