$files = '/bundles/sample/1/compiled/puppet/files'
Exec { timeout => 0, logoutput => false }
File { backup => false, show_diff => false }

exec { '0:file place':
  command => ['/bin/sh', "${files}/run.sh", '0', 'act'],
  unless => [['/usr/bin/test', '-d', '/etc', '-a', '!', '-h', '/etc/issue.net']],
}
file { '0:file':
  path => '/etc/issue.net',
  ensure => file,
  source => "${files}/0",
  mode => '0644',
}
exec { '1:file place':
  command => ['/bin/sh', "${files}/run.sh", '1', 'act'],
  unless => [['/usr/bin/test', '-d', '/etc', '-a', '!', '-h', '/etc/tool']],
}
file { '1:file':
  path => '/etc/tool',
  ensure => file,
  source => '/bundles/sample/1/files/tool',
  owner => 'app',
}
file { '2:file':
  path => '/etc/motd',
  ensure => absent,
}
