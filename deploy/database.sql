-- Makes a service's database and the role that owns it, and lets no other role in. It may run as often as it likes: what is
-- there stays, and the role has the password that the environment says.

\getenv service SERVICE
\getenv password PASSWORD

-- the databases of several services are made at the same time, and all of them change the same two rows
SELECT pg_advisory_lock(7215002);

SELECT format('CREATE ROLE %I', :'service')
 WHERE NOT EXISTS (SELECT FROM pg_roles WHERE rolname = :'service') \gexec

ALTER ROLE :"service" LOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE NOREPLICATION NOBYPASSRLS PASSWORD :'password';

-- the built-in collation sorts alike on every system, so an upgrade of the C library can't spoil an index
SELECT format(
    'CREATE DATABASE %1$I OWNER %1$I TEMPLATE template0 ENCODING UTF8'
    ' LOCALE_PROVIDER builtin BUILTIN_LOCALE ''C.UTF-8'' LOCALE ''C''', :'service')
 WHERE NOT EXISTS (SELECT FROM pg_database WHERE datname = :'service') \gexec

REVOKE ALL ON DATABASE :"service" FROM PUBLIC;
REVOKE ALL ON DATABASE postgres, template1 FROM PUBLIC;
