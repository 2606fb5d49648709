#!/usr/bin/perl
use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/../tap";
use ServerCases;

ServerCases::run('lighttpd-fastcgi');
