<?php
// Debian's package has everything in /usr/share, which apps see.
require '/usr/share/adminer/adminer.php';
