<%@ page contentType="text/html; charset=UTF-8" pageEncoding="UTF-8" %>
<!DOCTYPE html>
<title>안녕</title>
<h1>Hello from JSP</h1>
<p>안녕하세요, ${empty param.name ? '여러분' : param.name}</p>
<p><a href="안내.jsp">안내</a></p>
